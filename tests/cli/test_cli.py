"""The command on every kind of file, and its one-line errors."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import load_file, save_file

from ucl import Bank, Bridge, Cosine
from ucl.cli.app import main

SCALES = ["--ab-scale", "20", "--bc-scale", "5"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0).standard_normal
    arrays = {name: draw((rows, 6)).astype(np.float32) for name, rows in {"a": 5, "c": 7, "b1": 90, "b2": 90}.items()}
    for name, array in arrays.items():
        np.save(f"{name}.npy", array)
        save_file({name: array}, f"{name}.safetensors")
        column = pa.FixedSizeListArray.from_arrays(pa.array(array.ravel()), 6)
        pq.write_table(
            pa.table({"id": np.arange(len(array)), "embedding": column}), f"{name}.parquet", row_group_size=32
        )
        pd.DataFrame(array, columns=[f"x{i}" for i in range(6)]).to_parquet(f"{name}_wide.parquet")
    np.savez("all.npz", **arrays)
    return arrays


def expected(arrays):
    bank = Bank(arrays["b1"], arrays["b2"])
    return Bridge(Cosine(20.0), Cosine(5.0), bank).score(arrays["a"], arrays["c"])


def run(monkeypatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["ucl", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


@pytest.mark.parametrize("form", ["{}.npy", "{}.safetensors", "{}.parquet", "{}_wide.parquet", "all.npz:{}"])
def test_score_reads_every_kind_of_file(folder, monkeypatch, capsys, form) -> None:
    a, c, b1, b2 = (form.format(name) for name in ("a", "c", "b1", "b2"))
    words = ["score", a, c, "--bank", b1, "--bank-for-c", b2, *SCALES, "--out", "s.npz", "--json"]
    assert run(monkeypatch, *words) == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["queries"], about["candidates"], about["bank"]) == (5, 7, 90)
    result = expected(folder)
    with np.load("s.npz") as found:
        assert np.allclose(found["scores"], result.scores, atol=1e-5)
        assert np.allclose(found["standard_error"], result.standard_error, rtol=1e-4)


def test_score_writes_every_kind_of_file(folder, monkeypatch) -> None:
    words = ["score", "a.npy", "c.npy", "--bank", "b1.npy", "--bank-for-c", "b2.npy", *SCALES, "--out"]
    for name in ("s.npy", "s.safetensors", "s.parquet"):
        assert run(monkeypatch, *words, name) == 0
    scores = expected(folder).scores
    assert np.allclose(np.load("s.npy"), scores, atol=1e-5)
    assert np.allclose(load_file("s.safetensors")["scores"], scores, atol=1e-5)
    table = pd.read_parquet("s.parquet").set_index(["query", "candidate"])
    assert table.loc[(3, 2), "scores"] == pytest.approx(scores[3, 2], abs=1e-5)


def test_retrieve_from_a_built_bank(folder, monkeypatch, capsys) -> None:
    assert run(monkeypatch, "bank", "build", "b1.parquet", "b2.parquet", *SCALES, "--out", "bank") == 0
    assert "90 samples" in capsys.readouterr().out
    assert run(monkeypatch, "retrieve", "a.npy", "c.npy", "--bank", "bank", *SCALES, "-k", "3", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    best = torch.from_numpy(expected(folder).scores).topk(3)
    assert [line["candidates"] for line in lines] == best.indices.tolist()
    assert np.allclose([line["scores"] for line in lines], best.values, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a.npy": "missing.npy"}, "no such file: missing.npy"),
        ({"a.npy": "all.npz"}, "holds several arrays; name one of a, c, b1, b2"),
        ({"a.npy": "all.npz:z"}, "has no array z"),
        ({"a.npy": "notes.txt"}, "unknown kind of file"),
        ({"a.npy": "broken.npy"}, "cannot read broken.npy"),
        ({"20": "-1"}, "--ab-scale must be positive"),
        ({"b2.npy": "c.npy"}, "same samples: got 90 and 7 rows"),
        ({"s.npz": "s.csv"}, "--out must end in"),
        ({"b1.npy": "."}, "no prepared bank"),
        ({"a.npy": "nan.npy"}, "row 2 holds NaN"),
        ({"a.npy": "whole.npy"}, "floating-point numbers: got int64"),
        ({"b1.npy": "zero.npy"}, "bank.for_a must hold no zero vector under the cosine critic: row 40 is zero"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(folder, monkeypatch, capsys, change, message) -> None:
    np.save("nan.npy", np.where(np.arange(5)[:, None] == 2, np.nan, folder["a"]))
    np.save("zero.npy", np.where(np.arange(90)[:, None] == 40, 0, folder["b1"]))
    np.save("whole.npy", np.ones((5, 6), dtype=np.int64))
    for name in ("notes.txt", "broken.npy"):
        Path(name).write_text("hello")
    words = ["score", "a.npy", "c.npy", "--bank", "b1.npy", "--bank-for-c", "b2.npy", *SCALES, "--out", "s.npz"]
    if change.get("b1.npy") == ".":
        words = [word for word in words if word not in ("--bank-for-c", "b2.npy")]
    assert run(monkeypatch, *(change.get(word, word) for word in words)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_help_shows_an_example(monkeypatch, capsys) -> None:
    for words in (["score"], ["retrieve"], ["bank", "build"]):
        assert run(monkeypatch, *words, "--help") == 0
        assert "Example" in capsys.readouterr().out
