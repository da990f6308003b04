"""The examples of docs/bridge.md run, one after the other, as a reader would run them."""

import re
from pathlib import Path

import numpy as np

TEXT = (Path(__file__).parent.parent / "docs" / "bridge.md").read_text(encoding="utf-8")


def test_the_examples_run_and_agree(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    assert len(blocks) == 5
    names: dict = {}
    for block in blocks:
        exec(compile(block, "docs/bridge.md", "exec"), names)
    expected = names["result"].scores
    tolerance = 2 * 5e-7 * 118.6  # of two answers, each within it
    assert np.abs(names["whole"].scores - expected).max() <= tolerance
    assert np.abs(names["scores"] - expected[:1]).max() <= tolerance
    assert np.array_equal(names["best"].indices, np.argsort(-expected, axis=1)[:, :3])
