"""`ucl check` and `ucl calibrate`: exit codes, JSON, and one line for a mistake."""

import json
from pathlib import Path

import numpy as np
import pytest
from command import run
from trust_draws import pairs, views

SCALES = ["--ab-scale", "8", "--bc-scale", "8"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, rows in zip(("b1", "b2"), views(220), strict=True):
        np.save(f"{name}.npy", rows.numpy())
    for name, rows in zip(("x", "y"), pairs(20.0, 100, 10, 0), strict=True):
        np.save(f"{name}.npy", rows.numpy())
    return tmp_path


def test_the_exit_code_says_whether_something_is_wrong(monkeypatch, capsys) -> None:
    assert run(monkeypatch, "check", "b1.npy", *SCALES, "--json") == 0
    assert json.loads(capsys.readouterr().out)["level"] == "ok"
    np.save("shuffled.npy", np.load("b2.npy")[::-1].copy())
    assert run(monkeypatch, "check", "b1.npy", "shuffled.npy", *SCALES) == 1
    told = capsys.readouterr().out
    assert told.startswith("error")
    assert "-> embed the same samples" in told


def test_known_pairs_queries_and_texts(monkeypatch, capsys) -> None:
    Path("texts.txt").write_text("\n".join(f"text {i}" for i in range(220)))
    more = ["--pairs-ab", "x.npy", "y.npy", "--queries-a", "b1.npy", "--texts", "texts.txt", "--json"]
    assert run(monkeypatch, "check", "b1.npy", *SCALES[2:], "--ab-scale", "3", *more) == 1
    found = {f["name"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert found["scale_ab_by_pairs"]["level"] == "error"
    assert found["texts"]["level"] == "ok"
    assert "coverage_a" in found


def test_a_prepared_bank_knows_its_scales(monkeypatch, capsys) -> None:
    assert run(monkeypatch, "bank", "build", "b1.npy", *SCALES, "--out", "bank", "--no-progress") == 0
    assert run(monkeypatch, "check", "bank") == 0
    assert "at a scale of 8" in capsys.readouterr().out


def test_calibrate_prints_the_scale(monkeypatch, capsys) -> None:
    assert run(monkeypatch, "calibrate", "x.npy", "y.npy", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["low"] <= 20 <= found["high"]
    assert run(monkeypatch, "calibrate", "x.npy", "y.npy") == 0
    assert capsys.readouterr().out.startswith("cosine critic: scale")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "b1.npy"], "--ab-scale is missing"),
        (["check", "b1.npy", "--ab-scale", "0", "--bc-scale", "1"], "--ab-scale must be positive"),
        (["check", "b1.npy", *SCALES, "--texts", "none.txt"], "none.txt: No such file"),
        (["check", "b1.npy", *SCALES, "--texts", "b1.npy"], "b1.npy is no text in UTF-8"),
        (["check", "b1.npy", "x.npy", *SCALES], "must describe the same samples"),
        (["calibrate", "x.npy", "b1.npy"], "at least 20 pairs"),
    ],
)
def test_a_mistake_is_one_line(monkeypatch, capsys, words, message) -> None:
    assert run(monkeypatch, *words) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert told.err.count("\n") == 1
