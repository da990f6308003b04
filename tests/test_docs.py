"""The examples of the documentation run, one after the other, as a reader would run them."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run_examples(page: str, count: int) -> dict[str, Any]:
    """What the examples of a page have defined in the end."""
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == count
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    return names


def test_the_examples_of_the_bridge_agree() -> None:
    names = run_examples("bridge.md", 5)
    expected = names["result"].scores
    tolerance = 2 * 5e-7 * 118.6  # of two answers, each within it
    assert np.abs(names["whole"].scores - expected).max() <= tolerance
    assert np.abs(names["scores"] - expected[:1]).max() <= tolerance
    assert np.array_equal(names["best"].indices, np.argsort(-expected, axis=1)[:, :3])


def test_the_examples_of_the_maze_leave_walks_and_an_animation(tmp_path: Path) -> None:
    assert run_examples("maze.md", 8)["walks"].lengths.shape == (100,)
    assert (tmp_path / "walk.gif").stat().st_size > 1000
