"""The command on every kind of file, and its one-line errors."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from command import run
from safetensors.numpy import load_file, save_file

import ucl
from ucl import Bank, Cosine
from ucl.core.bridge import Bridge

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


COMMANDS = [[], ["score"], ["retrieve"], ["explain"], ["evaluate"], ["bank"], ["bank", "build"], ["maze"],
            ["maze", "list"], ["maze", "play"], ["params"], ["track"]]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_is_plain_text_and_nothing_in_it_is_eaten(monkeypatch, capsys, words) -> None:
    assert run(monkeypatch, *words, "--help") == 0
    text = capsys.readouterr().out
    assert text.startswith(" ".join(["Usage: ucl", *words]))
    assert "//" not in text
    if words[-1:] in (["score"], ["retrieve"], ["explain"], ["evaluate"], ["build"], ["play"]):
        assert "Example: ucl " in text


def test_help_names_where_weights_lie(monkeypatch, capsys) -> None:
    run(monkeypatch, "maze", "play", "--help")
    assert "results/maze/<name of the maze>/model.safetensors" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("words", [[], ["bank"], ["maze"]])
def test_a_group_without_a_command_shows_its_help(monkeypatch, capsys, words) -> None:
    assert run(monkeypatch, *words) == 2
    assert capsys.readouterr().err.startswith(" ".join(["Usage: ucl", *words]))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["scroe"], "No such command 'scroe'. Did you mean 'score'?"),
        (["bank", "biuld"], "No such command 'biuld'. Did you mean 'build'?"),
        (["--verbose"], "No such option: --verbose"),
        (["score"], "Missing argument 'A'."),
        (["score", "a.npy", "c.npy", "--out", "s.npz", *SCALES], "Missing option '--bank'."),
        (
            ["score", "a.npy", "c.npy", "--ab", "cosinus"],
            "'cosinus' is not one of 'cosine', 'dot', 'l2', 'squared_l2'.",
        ),
        (["score", "a.npy", "c.npy", "--ab-scale", "ten"], "Invalid value for '--ab-scale': "),
        (["score", "a.npy", "c.npy", "--out"], "Option '--out' requires an argument."),
        (["retrieve", "a.npy", "c.npy", "d.npy", "--bank", "b1.npy", *SCALES], "unexpected extra argument(s) (d.npy)"),
        (["maze", "play", "fork", "up", "--limit", "0"], "Invalid value for '--limit': "),
        (["track", "nowhere.json"], "nowhere.json is no file"),
        (["track", "notes.json"], "notes.json describes no runs"),
        (["track", "tracked.json"], "tracked.json would overwrite tracked.json"),
        (["track", "."], ". is no file"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(folder, monkeypatch, capsys, words, message) -> None:
    for name in ("notes.json", "tracked.json"):
        Path(name).write_text('["not ours"]')
    assert run(monkeypatch, *words) == 2
    told = capsys.readouterr()
    assert told.err.startswith("ucl: ")
    assert message in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


def test_version(monkeypatch, capsys) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"{ucl.__version__}\n"


def test_too_little_memory_is_one_line(folder, monkeypatch, capsys) -> None:
    monkeypatch.setattr(Bridge, "score", lambda *_, **__: torch.empty(2**60))
    words = ["score", "a.npy", "c.npy", "--bank", "b1.npy", *SCALES, "--out", "s.npz"]
    assert run(monkeypatch, *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("ucl: out of memory: ")
    assert error.count("\n") == 1
    assert not list(Path.cwd().glob("*s.*npz"))


def test_an_interruption_leaves_nothing(folder, monkeypatch, capsys) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Bridge, "score", interrupt)
    words = ["score", "a.npy", "c.npy", "--bank", "b1.npy", *SCALES, "--out", "s.npz"]
    assert run(monkeypatch, *words) == 130
    assert capsys.readouterr().err == ""
    assert not list(Path.cwd().glob("*s.*npz"))
