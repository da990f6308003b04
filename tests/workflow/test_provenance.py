"""What a rule's code is: the same modules as an interpreter loads, and a digest that only meaning changes."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ucl.reporting.provenance import PACKAGE, code_digest, reached_modules

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "workflow/scripts"
# The libraries are loaded once; every script is then imported in a process of its own that has seen none of `ucl`.
LOAD = """
import importlib, json, os, sys
import ai_edge_litert.interpreter, onnxruntime, open_clip, timm, tokenizers, transformers
import matplotlib.pyplot, numpy, pandas, pyarrow.parquet, scipy.stats, torch
assert not any(name == "ucl" or name.startswith("ucl.") for name in sys.modules)
for statements, modules in json.loads(sys.argv[1]):
    sys.stdout.flush()
    if os.fork() == 0:
        exec(statements, {})
        for module in modules:
            importlib.import_module(module)
        names = [name for name in sys.modules if name.startswith("ucl.")]
        print(json.dumps(sorted(sys.modules[name].__file__ for name in names)), flush=True)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
"""


def rules() -> dict[str, tuple[Path, list[str]]]:
    """Every rule with a script, and the modules that its parameters name."""
    found: dict[str, tuple[Path, list[str]]] = {}
    rooms = sorted((PACKAGE / "experiments").glob("*/claims.py"))
    for file in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", file.read_text(), re.S | re.M):
            if script := re.search(r'script:\n\s+"\.\./scripts/([^"]+)"', body):
                named = re.search(r'module="([^"]+)"|collecting\("(\w+)"\)', body)
                modules = [named[1] or f"ucl.experiments.{named[2]}.summary"] if named else []
                if "modules=" in body:
                    modules += [f"ucl.experiments.{room.parent.name}.claims" for room in rooms]
                found[name] = (SCRIPTS / script[1], modules)
    return found


def test_every_script_belongs_to_a_rule() -> None:
    assert {script for script, _ in rules().values()} == set(SCRIPTS.rglob("*.py"))
    assert {name for name, (script, modules) in rules().items() if script.parent == SCRIPTS and modules} == {
        name for name in rules() if name.startswith(("collect_", "draw_")) or name == "report"
    }


def test_a_digest_covers_what_an_interpreter_loads() -> None:
    imports = []
    for script, modules in rules().values():
        body = [node for node in ast.parse(script.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
        imports.append((ast.unparse(ast.Module(body, [])), modules))
    command = [sys.executable, "-c", LOAD, json.dumps(imports)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for (name, (script, modules)), line in zip(rules().items(), result.stdout.splitlines(), strict=True):
        reached = reached_modules(script, *modules)
        assert [str(path) for path in reached] == json.loads(line), name


@pytest.mark.parametrize(
    ("job", "others"),
    [
        ("list_stamps", {"frozen", "features", "models", "towers", "training"}),
        ("embed_stamps", {"models", "training"}),
        ("train_stamps", {"frozen", "extraction", "table", "groups"}),
        ("score_stamps", {"frozen", "extraction", "table", "groups"}),
        ("score_stamps_sounds", {"frozen", "extraction", "table", "groups"}),
    ],
)
def test_a_job_on_stamps_reaches_its_own_step_alone(job: str, others: set[str]) -> None:
    """Who lists loads no network, who trains none of the frozen ones; an edit of training lists and embeds no more."""
    reached = {path.stem for path in reached_modules(SCRIPTS / f"bridging/{job}.py") if path.parent.name == "stamps"}
    assert {path.stem for path in (PACKAGE / "stamps").glob("*.py")} >= others
    assert not reached & others
    if job == "list_stamps":
        assert not {path.stem for path in reached_modules(SCRIPTS / f"bridging/{job}.py")} & {"runtime", "tensors"}


def test_nothing_is_imported_behind_the_back_of_an_import() -> None:
    """An import inside a function would be covered by the digest, and missed by the test above: there is none."""
    for path in PACKAGE.rglob("*.py"):
        if path.is_relative_to(PACKAGE / "cli") or path == PACKAGE / "__init__.py":
            continue  # the command loads what a subcommand needs when it runs; no job imports it
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                inner = [n for n in ast.walk(function) if isinstance(n, ast.ImportFrom)]
                assert not [n.module for n in inner if (n.module or "").split(".")[0] == "ucl"], path


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(
        '"""What it is."""\n\nfrom pydantic import Field\n\n__all__ = ["f"]\n\n\n'
        'def f(x: int) -> int:\n    """Doc."""\n    y: int = 2 * x  # twice\n    return y\n\n\n'
        'class C:\n    """Doc."""\n\n    n: int = Field(ge=1, description="a number")\n'
    )
    return path


def fresh_digest(path: Path, old: str, new: str) -> str:
    other = path.with_name(f"{abs(hash((old, new)))}.py")  # sources are read once a process
    text = path.read_text()
    assert old in text
    other.write_text(text.replace(old, new))
    return code_digest(other)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("What it is.", "What else it is."),
        ('    """Doc."""\n    y', "    y"),
        ("  # twice", "  # two times"),
        ("f(x: int) -> int", "f(x)"),
        ("y: int = 2", "y = 2"),
        ('["f"]', '["f", "C"]'),
        ("a number", "some number"),
        ("\n\n\ndef", "\n\ndef"),
    ],
)
def test_rewording_leaves_a_digest(module: Path, old: str, new: str) -> None:
    assert fresh_digest(module, old, new) == code_digest(module)


@pytest.mark.parametrize(
    ("old", "new"), [("2 * x", "3 * x"), ("ge=1", "ge=2"), ("n: int", "n: float"), ("x: int)", "x: int, z: int = 1)")]
)
def test_another_meaning_gives_another_digest(module: Path, old: str, new: str) -> None:
    assert fresh_digest(module, old, new) != code_digest(module)


def test_templates_count(module: Path) -> None:
    assert fresh_digest(module, "2 * x", "'reporting/page.md.j2'") != fresh_digest(
        module, "2 * x", "'reporting/none.j2'"
    )
