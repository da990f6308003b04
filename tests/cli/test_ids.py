"""Ids from end to end: in files, in a built bank, in answers and in explanations; and what a built bank knows."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
import torch
from command import run

from ucl import Bank, Bridge, Cosine

SCALES = ["--ab-scale", "4", "--bc-scale", "3"]
FILES = ["a.parquet", "c.npz"]


@pytest.fixture
def arrays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0).standard_normal
    arrays = {name: draw((rows, 5)) for name, rows in {"a": 4, "c": 6, "b1": 600, "b2": 600}.items()}
    for name, array in arrays.items():
        ids = [f"{name[0]}{i}" for i in range(len(array))]
        pd.DataFrame({"id": ids, "embedding": list(array)}).to_parquet(f"{name}.parquet")
        np.savez(f"{name}.npz", embedding=array, id=np.array(ids))
        np.save(f"{name}.npy", array)
    return arrays


def bridge(arrays) -> Bridge:
    return Bridge(Cosine(4.0), Cosine(3.0), Bank(arrays["b1"], arrays["b2"]))


def built(monkeypatch, capsys) -> list[str]:
    assert run(monkeypatch, "bank", "build", "b1.parquet", "b2.parquet", *SCALES, "--out", "bank", "--no-progress") == 0
    capsys.readouterr()
    return ["--bank", "bank"]


def test_a_built_bank_keeps_ids_critics_and_scales(arrays, monkeypatch, capsys) -> None:
    bank = built(monkeypatch, capsys)
    known = Bank.load("bank")
    order = [int(name[1:]) for name in known.ids.to_pylist()]
    assert sorted(order) == list(range(600))
    unit = arrays["b1"][order] / np.linalg.norm(arrays["b1"][order], axis=1, keepdims=True)
    assert np.allclose(known.for_a.read(0, 600), unit)
    assert known.shard(1, 4).ids.to_pylist() == known.ids.to_pylist()[150:300]
    assert run(monkeypatch, "score", *FILES, *bank, "--out", "s.npz", "--no-progress", "--reliable") == 0
    expected = bridge(arrays).score(arrays["a"], arrays["c"], progress=False)
    with np.load("s.npz") as found:
        assert np.allclose(found["scores"], expected.scores, atol=1e-6)
        assert found["query_id"].tolist() == ["a0", "a1", "a2", "a3"]
        assert (found["reliable"] == expected.reliable).all()
    assert str(Bridge.of(known)).startswith(
        "Bridge(cosine of scale 4, cosine of scale 3, Bank(600 samples, 5 and 5 wide"
    )


@pytest.mark.parametrize("words", [["--ab-scale", "5"], ["--bc", "dot"]])
def test_what_disagrees_with_the_bank_is_one_line(arrays, monkeypatch, capsys, words) -> None:
    bank = built(monkeypatch, capsys)
    assert run(monkeypatch, "retrieve", *FILES, *bank, *words, "-k", "2", "--no-progress") == 2
    told = capsys.readouterr().err
    assert "prepared for" in told
    assert told.count("\n") == 1


def test_a_bank_of_files_needs_its_scales(arrays, monkeypatch, capsys) -> None:
    assert run(monkeypatch, "retrieve", *FILES, "--bank", "b1.npy") == 2
    assert "--ab-scale is missing" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["r.csv", "r.parquet", "json", "terminal"])
def test_answers_carry_ids_and_what_they_are_worth(arrays, monkeypatch, capsys, out) -> None:
    bank = built(monkeypatch, capsys)
    words = ["--json"] if out == "json" else [] if out == "terminal" else ["--out", out]
    assert run(monkeypatch, "retrieve", *FILES, *bank, "-k", "2", "--no-progress", *words) == 0
    text = capsys.readouterr().out
    best = bridge(arrays).retrieve(arrays["a"], arrays["c"], k=2, progress=False)
    names = [f"c{i}" for i in best.indices.ravel()]
    if out == "json":
        rows = [json.loads(line) for line in text.splitlines()]
        assert [row["query"] for row in rows] == ["a0", "a1", "a2", "a3"]
        assert np.ravel([row["candidates"] for row in rows]).tolist() == names
        assert np.allclose([row["standard_errors"] for row in rows], best.standard_errors)
        assert [row["reliable"] for row in rows] == best.reliable.tolist()
    elif out == "terminal":
        rows = [line.split() for line in text.splitlines()[1:]]
        assert [(row[0], row[1], row[2]) for row in rows[:2]] == [("a0", "1", names[0]), ("a0", "2", names[1])]
    else:
        table = pd.read_parquet(out) if out.endswith("parquet") else pd.read_csv(out)
        assert table["candidate"].tolist() == names
        assert table["rank"].tolist() == [1, 2] * 4
        assert np.allclose(table["effective_samples"], best.effective_samples.ravel())
        assert table["reliable"].tolist() == best.reliable.ravel().tolist()


def test_scores_in_a_table_go_by_id(arrays, monkeypatch, capsys) -> None:
    assert run(monkeypatch, "score", *FILES, "--bank", "b1.npy", *SCALES, "--no-progress", "--out", "s.parquet") == 0
    table = pd.read_parquet("s.parquet")
    assert table["query"].tolist() == [f"a{i}" for i in range(4) for _ in range(6)]
    assert table["candidate"].tolist() == [f"c{j}" for j in range(6)] * 4


def test_explain_names_the_samples_that_carry_a_match(arrays, monkeypatch, capsys) -> None:
    bank = built(monkeypatch, capsys)
    assert run(monkeypatch, "explain", "a2", "c5", *FILES, *bank, "--top", "3", "--json") == 0
    about = json.loads(capsys.readouterr().out)
    unit = {name: x / np.linalg.norm(x, axis=1, keepdims=True) for name, x in arrays.items()}
    s, t = 4 * unit["b1"] @ unit["a"][2], 3 * unit["b2"] @ unit["c"][5]
    shares = np.exp(s + t) / np.exp(s + t).sum()
    order = np.argsort(-shares)[:3]
    assert [one["sample"] for one in about["samples"]] == [f"b{i}" for i in order]
    assert np.allclose([one["share"] for one in about["samples"]], shares[order], rtol=1e-4)
    assert np.allclose([one["score_ab"] for one in about["samples"]], s[order], atol=1e-4)
    assert np.allclose(about["score"], np.log(np.exp(s + t).mean()), atol=1e-4)
    assert run(monkeypatch, "explain", "a2", "nobody", *FILES, *bank) == 2
    assert "no row of c.npz called 'nobody'" in capsys.readouterr().err
    assert run(monkeypatch, "explain", "2", "5", "a.npy", "c.npy", *bank) == 0
    assert f"b{order[0]}" in capsys.readouterr().out


def test_thin_answers_are_told_in_one_line(arrays, monkeypatch, capsys) -> None:
    scales = ["--ab-scale", "900", "--bc-scale", "900", "--no-progress"]
    for words in (["retrieve", *FILES, "-k", "2"], ["score", *FILES, "--out", "s.npz"]):
        assert run(monkeypatch, *words, "--bank", "b1.npy", "--bank-for-c", "b2.npy", *scales) == 0
        told = capsys.readouterr().err
        assert told.startswith("ucl: warning: ")
        assert told.count("\n") == 1


def test_explanations_of_a_weighted_bank_add_up(arrays) -> None:
    weights = np.random.default_rng(1).uniform(0.5, 2, 600)
    bank = Bank(arrays["b1"], arrays["b2"], weights=weights, ids=[f"t{i}" for i in range(600)])
    found = Bridge(Cosine(4.0), Cosine(3.0), bank).explain(arrays["a"][0], torch.from_numpy(arrays["c"][1]), top=600)
    assert sum(found.shares) == pytest.approx(1)
    assert found.ids == [f"t{i}" for i in found.samples]
    whole = Bridge(Cosine(4.0), Cosine(3.0), bank, normalize=False).score(
        arrays["a"][:1], arrays["c"][1:2], progress=False
    )
    assert found.score == pytest.approx(float(whole.scores[0, 0]))


def test_one_pass_explains_what_single_pairs_do(arrays, monkeypatch) -> None:
    monkeypatch.setattr("ucl.core.scores.BLOCK_ROWS", (64, 64))
    bridge = Bridge(Cosine(40.0), Cosine(30.0), Bank(arrays["b1"], arrays["b2"]))
    each = bridge.explain_each(arrays["a"][0], arrays["c"], top=5)
    assert len(each) == len(arrays["c"])
    for c, found in zip(arrays["c"], each, strict=True):
        alone = bridge.explain(arrays["a"][0], c, top=5)
        terms = 40 * unit(arrays["b1"]) @ unit(arrays["a"][0]) + 30 * unit(arrays["b2"]) @ unit(c)
        shares = np.exp(terms - np.logaddexp.reduce(terms))
        assert found.samples == alone.samples == np.argsort(-terms)[:5].tolist()
        assert np.allclose(found.shares, np.sort(shares)[::-1][:5])
        assert np.allclose(found.shares, alone.shares)
        assert found.score == pytest.approx(alone.score)


def unit(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float64)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_csv_can_be_read_by_anything(arrays, monkeypatch, capsys) -> None:
    words = ["retrieve", "a.npy", "c.npy", "--bank", "b1.npy", *SCALES, "--out", "r.csv", "-k", "1", "--no-progress"]
    assert run(monkeypatch, *words) == 0
    with open("r.csv", newline="") as file:  # noqa: PTH123
        rows = list(csv.DictReader(file))
    assert [row["query"] for row in rows] == ["0", "1", "2", "3"]


def test_a_row_without_an_id_is_told_and_not_called_none(arrays, monkeypatch, capsys) -> None:
    bank = built(monkeypatch, capsys)
    pd.DataFrame({"id": ["x", None, "y", "z"], "embedding": list(arrays["a"])}).to_parquet("gap.parquet")
    assert run(monkeypatch, "retrieve", "gap.parquet", "c.npy", *bank, "-k", "1") == 2
    assert capsys.readouterr().err.startswith("ucl: a: row 1 of gap.parquet has no id")
    assert run(monkeypatch, "score", "gap.parquet", "c.npy", *bank, "--out", "s.npz", "--no-progress") == 2
    assert "a row without an id cannot be told in an .npz" in capsys.readouterr().err


def test_ids_beyond_int64_and_ids_that_a_terminal_would_obey(arrays, monkeypatch, capsys) -> None:
    bank = built(monkeypatch, capsys)
    for name, ids in {"large": np.arange(4, dtype="u8") + 2**63, "odd": ["x\ny", "\x1b[31m", "b", "c"]}.items():
        pd.DataFrame({"id": ids, "embedding": list(arrays["a"])}).to_parquet(f"{name}.parquet")
        assert run(monkeypatch, "retrieve", f"{name}.parquet", "c.npy", *bank, "-k", "1", "--out", "r.parquet") == 0
        assert pd.read_parquet("r.parquet")["query"].tolist() == list(ids)
    capsys.readouterr()
    assert run(monkeypatch, "retrieve", "odd.parquet", "c.npy", *bank, "-k", "1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[1].startswith("x\\ny ")
    assert lines[2].startswith("\\x1b[31m ")


@pytest.mark.parametrize("flag", ["--errors", "--reliable"])
def test_what_a_npy_cannot_hold_is_not_left_out_in_silence(arrays, monkeypatch, capsys, flag) -> None:
    bank = built(monkeypatch, capsys)
    assert run(monkeypatch, "score", *FILES, *bank, "--out", "s.npy", flag) == 2
    assert "s.npy would hold scores alone" in capsys.readouterr().err
