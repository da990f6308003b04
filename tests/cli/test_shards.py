"""`ucl score --shard`, `ucl merge` and `ucl bank build --shard` give what `ucl score` gives, in every format."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import run
from safetensors.numpy import load_file

from ucl import Bank, Bridge, Cosine
from ucl.core import parts

SCALES = ["--ab-scale", "60", "--bc-scale", "20", "--no-progress"]
SCORE = ["score", "a.parquet", "c.npy", "--no-progress", "--bank"]
BOUND = 2 * 5e-7 * 80


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(parts, "SCORED", 4 * 2 * 7)
    monkeypatch.setattr(parts, "MERGED", 2 * 7)
    draw = np.random.default_rng(0).standard_normal
    for name, rows in {"c": 7, "b": 90}.items():
        np.save(f"{name}.npy", draw((rows, 6)).astype("f4"))
    vectors = pa.array(list(draw((5, 6)).astype("f4")), pa.list_(pa.float32()))
    pq.write_table(pa.table({"id": [f"q{i}" for i in range(5)], "x": vectors}), "a.parquet")
    return tmp_path


def score(monkeypatch: pytest.MonkeyPatch, count: int, *options: str, bank: str = "b.npy") -> list[str]:
    files = [f"part-{i + 1}.safetensors" for i in range(count)]
    scales = SCALES if bank.endswith(".npy") else ["--no-progress"]
    for i, file in enumerate(files):
        words = [*SCORE, bank.format(i + 1), *scales, *options, "--shard", f"{i + 1}/{count}", "--out", file]
        assert run(monkeypatch, *words) == 0
    return files


def test_shards_give_what_the_whole_gives_in_every_format(folder, monkeypatch, capsys) -> None:
    for suffix in ("npz", "npy", "safetensors", "parquet"):
        assert run(monkeypatch, *SCORE, "b.npy", *SCALES, "--out", f"whole.{suffix}") == 0
        assert run(monkeypatch, "merge", *score(monkeypatch, 4, "--errors"), "--out", f"merged.{suffix}") == 0
    tables = [pq.read_table(f"{name}.parquet") for name in ("merged", "whole")]
    assert tables[0].schema == tables[1].schema
    assert tables[0].column("query").equals(tables[1].column("query"))
    assert tables[0].column("candidate").equals(tables[1].column("candidate"))
    archives = [np.load(f"{name}.npz") for name in ("merged", "whole")]
    assert list(archives[0]["query_id"]) == [f"q{i}" for i in range(5)]
    tensors = [load_file(f"{name}.safetensors") for name in ("merged", "whole")]
    for name in ("scores", "standard_error", "effective_sample_size"):
        for merged, whole in ([t.column(name).to_numpy().reshape(5, 7) for t in tables], [z[name] for z in archives]):
            assert np.allclose(merged, whole, rtol=1e-5, atol=BOUND)
            assert np.array_equal(merged, tensors[0][name])
    assert np.array_equal(np.load("merged.npy"), archives[0]["scores"])


def test_without_being_asked_a_shard_holds_scores_alone(folder, monkeypatch, capsys) -> None:
    assert run(monkeypatch, *SCORE, "b.npy", *SCALES, "--no-errors", "--out", "whole.parquet") == 0
    files = score(monkeypatch, 16)
    capsys.readouterr()
    assert run(monkeypatch, "merge", *files, "--out", "merged.parquet", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "queries": 5, "candidates": 7, "bank": 90, "parts": 16, "errors": False, "recomputed": 0,
        "out": "merged.parquet",
    }  # fmt: skip
    merged, whole = pq.read_table("merged.parquet"), pq.read_table("whole.parquet")
    assert merged.column_names == whole.column_names == ["query", "candidate", "scores"]
    assert np.abs(merged.column("scores").to_numpy() - whole.column("scores").to_numpy()).max() <= BOUND


def test_shards_of_a_bank_are_built_one_by_one(folder, monkeypatch, capsys) -> None:
    assert run(monkeypatch, *SCORE, "b.npy", *SCALES, "--out", "whole.npy") == 0
    for i in (1, 2, 3):
        assert run(monkeypatch, "bank", "build", "b.npy", *SCALES, "--shard", f"{i}/3", "--out", f"bank-{i}") == 0
    assert run(monkeypatch, "merge", *score(monkeypatch, 3, bank="bank-{}"), "--out", "merged.npy") == 0
    assert np.abs(np.load("merged.npy") - np.load("whole.npy")).max() <= BOUND
    capsys.readouterr()
    for words, message in {
        (*SCORE, "bank-2", "--out", "s.npz"): "bank-2 is shard 2/3 of a bank: it is no bank by itself",
        (*SCORE, "bank-2", "--shard", "1/3", "--out", "s.safetensors"): "shard 2/3 of a bank: got --shard 1/3",
        ("retrieve", "a.parquet", "c.npy", "--bank", "bank-2"): "it is no bank by itself",
        ("merge", "part-1.safetensors", "part-2.safetensors", "--out", "s.npy"): "samples 60 to 90 are missing",
    }.items():
        assert run(monkeypatch, *words) == 2
        told = capsys.readouterr().err
        assert message in told
        assert told.count("\n") == 1


def unpacked(path: str) -> dict[str, np.ndarray]:
    with np.load(path) as archive:
        return dict(archive)


@pytest.mark.parametrize("suffix", ["npz", "npy", "safetensors", "parquet"])
def test_parts_that_python_wrote_from_numpy_arrays_are_merged(folder, monkeypatch, suffix) -> None:
    a, bank = np.random.default_rng(1).standard_normal((5, 6)).astype("f4"), Bank(np.load("b.npy"))
    for i in range(3):
        part = Bridge(Cosine(60.0), Cosine(20.0), bank.shard(i, 3)).score(a, np.load("c.npy"), progress=False)
        part.save(f"part-{i}.safetensors")
    files = [f"part-{i}.safetensors" for i in range(3)]
    assert run(monkeypatch, "merge", *files, "--out", f"merged.{suffix}") == 0
    whole = Bridge(Cosine(60.0), Cosine(20.0), bank).score(a, np.load("c.npy"), progress=False)
    names = ["scores"] if suffix == "npy" else ["scores", "standard_error", "effective_sample_size"]
    found = {
        "npy": lambda: {"scores": np.load("merged.npy")},
        "npz": lambda: unpacked("merged.npz"),
        "safetensors": lambda: load_file("merged.safetensors"),
        "parquet": lambda: {name: pq.read_table("merged.parquet").column(name).to_numpy() for name in names},
    }[suffix]()
    for name in names:
        assert np.allclose(found[name].reshape(5, 7), getattr(whole, name), rtol=1e-5, atol=BOUND)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shard", "0/4", "--out", "p.safetensors"], "--shard must be I/N with I from 1 to N, as 3/16: got 0/4"),
        (["--shard", "5/4", "--out", "p.safetensors"], "--shard must be I/N"),
        (["--shard", "one", "--out", "p.safetensors"], "--shard must be I/N"),
        (["--shard", "1/91", "--out", "p.safetensors"], "with count at most 90"),
        (["--shard", "1/4", "--out", "p.npz"], "--out must end in .safetensors: got p.npz"),
        (["--shard", "1/4", "--reliable", "--out", "p.safetensors"], "--reliable needs the whole bank"),
    ],
)
def test_wrong_shards_are_one_line(folder, monkeypatch, capsys, options, message) -> None:
    before = sorted(folder.iterdir())
    assert run(monkeypatch, *SCORE, "b.npy", *SCALES, *options) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert sorted(folder.iterdir()) == before


def test_parts_whose_rows_have_other_names_are_refused(folder, monkeypatch, capsys) -> None:
    files = score(monkeypatch, 2)
    table = pq.read_table("a.parquet")
    pq.write_table(table.set_column(0, "id", pa.array([f"r{i}" for i in range(5)])), "a.parquet")
    words = [*SCORE, "b.npy", *SCALES, "--shard", "2/2", "--out", files[1]]
    assert run(monkeypatch, *words) == 0
    capsys.readouterr()
    assert run(monkeypatch, "merge", *files, "--out", "s.npy") == 2
    assert "parts to merge must have the same query_ids" in capsys.readouterr().err
    assert not Path("s.npy").exists()
