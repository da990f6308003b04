"""The examples of docs/maze.md run, one after the other, as a reader would run them."""

import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parent.parent / "docs" / "maze.md").read_text(encoding="utf-8")


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    assert len(blocks) == 8
    names: dict = {}
    for block in blocks:
        exec(compile(block, "docs/maze.md", "exec"), names)
    assert names["walks"].lengths.shape == (100,)
    assert (tmp_path / "walk.gif").stat().st_size > 1000
