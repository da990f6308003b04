"""The plan of the house: what may lie flat in `ucl/`, and how long a file and a function may be."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GROUND = {"__init__", "errors", "extras", "files", "front", "logs", "runtime", "seals", "tensors"}
FOLDERS = ("ucl", "workflow", "tests", "bench", "examples")


def test_no_module_lies_flat_but_the_ground_floor() -> None:
    assert {path.stem for path in (ROOT / "ucl").glob("*.py")} == GROUND


@pytest.mark.parametrize("folder", FOLDERS)
def test_files_and_functions_are_short(folder: str) -> None:
    long = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text()
        if (lines := len(text.splitlines())) > 400:
            long.append(f"{path}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= 50:
                long.append(f"{path}: {node.name}, {node.end_lineno - node.lineno + 1} lines")
    assert not long
