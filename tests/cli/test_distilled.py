"""`ucl distill`, `ucl index build` and `ucl search` on files, end to end, and their one-line errors."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import run

from ucl import Bank, Bridge, Cosine
from ucl.distilled.student import Student

SCALES = ["--ab-scale", "20", "--bc-scale", "5"]
BANK = ["--bank", "b1.npy", "--bank-for-c", "b2.npy", *SCALES]


@pytest.fixture
def arrays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0).standard_normal
    arrays = {name: draw(size).astype(np.float32) for name, size in (("a", (40, 6)), ("c", (50, 4)))}
    arrays |= {name: draw(size).astype(np.float32) for name, size in (("b1", (90, 6)), ("b2", (90, 4)))}
    for name, array in arrays.items():
        np.save(f"{name}.npy", array)
    column = pa.FixedSizeListArray.from_arrays(pa.array(arrays["c"].ravel()), 4)
    pq.write_table(pa.table({"id": [f"c{i}" for i in range(50)], "embedding": column}), "c.parquet")
    return arrays


def test_from_samples_to_answers(arrays, monkeypatch, capsys) -> None:
    words = ["distill", "a.npy", "c.npy", *BANK, "--width", "8", "--steps", "10", "--out", "s.safetensors", "--json"]
    assert run(monkeypatch, *words) == 0
    about = json.loads(capsys.readouterr().out)
    student = Student.load("s.safetensors")
    assert about["scale"] == pytest.approx(student.scale)
    assert about["chosen"] in ("linear", "hidden")

    assert run(monkeypatch, "index", "build", "s.safetensors", "c.parquet", "--out", "index") == 0
    assert "50 vectors of width 8: index" in capsys.readouterr().out
    assert run(monkeypatch, "search", "a.npy", "--candidates", "index", *BANK, "-k", "3", "--json") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    bridge = Bridge(Cosine(20.0), Cosine(5.0), Bank(arrays["b1"], arrays["b2"]), normalize=False)
    scores = bridge.score(arrays["a"], arrays["c"]).scores
    for row, answer in zip(scores, found, strict=True):  # all 50 are reranked, within the tolerance
        best = np.sort(row)[::-1][:3]
        assert np.allclose(answer["scores"], best, atol=0.011)
        assert np.allclose([row[int(name[1:])] for name in answer["candidates"]], best, atol=0.021)
    assert run(monkeypatch, "search", "a.npy", "--candidates", "index", "-k", "2") == 0
    own = student.score(arrays["a"], arrays["c"]).argmax(1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[1].split(":")[0] for line in lines] == [f"c{i}" for i in own]

    assert run(monkeypatch, "index", "build", "s.safetensors", "c.parquet", "--out", "v.parquet") == 0
    table = pq.read_table("v.parquet")
    assert table["id"].to_pylist()[:2] == ["c0", "c1"]
    assert table.schema.field("vector").type == pa.list_(pa.float32(), 8)
    assert float(table.schema.metadata[b"ucl.scale"]) == student.scale
    vectors = np.array(table["vector"].to_pylist(), dtype=np.float32)
    assert np.allclose(vectors, student.embed_c(arrays["c"]), atol=1e-6)


def test_an_index_in_shards_answers_as_one(arrays, monkeypatch, capsys) -> None:
    assert run(monkeypatch, "distill", "a.npy", "c.npy", *BANK, "--steps", "10", "--out", "s.safetensors") == 0
    build = ["index", "build", "s.safetensors", "c.parquet"]
    assert run(monkeypatch, *build, "--out", "whole") == 0
    for i in (3, 1, 4, 2):
        capsys.readouterr()
        assert run(monkeypatch, *build, "--shard", f"{i}/4", "--out", f"index/{i}", "--json") == 0
        about = json.loads(capsys.readouterr().out)
        assert (about["vectors"], about["shard"], about["out"]) == (13 if i % 2 == 0 else 12, f"{i}/4", f"index/{i}")
    one_by_one = [word for i in (2, 4, 1, 3) for word in ("--candidates", f"index/{i}")]
    for options in (["-k", "3"], ["-k", "3", *BANK]):
        said = []
        for given in (["--candidates", "whole"], ["--candidates", "index"], one_by_one):
            assert run(monkeypatch, "search", "a.npy", *given, *options, "--json") == 0
            said.append([json.loads(line) for line in capsys.readouterr().out.splitlines()])
        assert len(said[0]) == 40
        for answers in said[1:]:
            for own, expected in zip(answers, said[0], strict=True):
                assert own["candidates"] == expected["candidates"]
                assert own["scores"] == pytest.approx(expected["scores"], abs=1e-4)


def test_mistakes_with_shards_are_one_line(arrays, monkeypatch, capsys) -> None:
    assert run(monkeypatch, "distill", "a.npy", "c.npy", *BANK, "--steps", "10", "--out", "s.safetensors") == 0
    build = ["index", "build", "s.safetensors", "c.npy"]
    assert run(monkeypatch, *build, "--shard", "1/2", "--out", "index/1") == 0
    capsys.readouterr()
    for words, message in {
        ("search", "a.npy", "--candidates", "index"): "must make up all candidates: 2/2 missing; give all 2",
        ("search", "a.npy", "--candidates", "index/1", "--candidates", "index/1"): "both 1/2; give it once",
        ("search", "a.npy", "--candidates", "index/1", "--candidates", "c.parquet"): "is for the shards of an index",
        (*build, "--shard", "1/2", "--out", "v.parquet"): "--shard is of an index: got v.parquet",
        (*build, "--shard", "3/2", "--out", "index/3"): "--shard must be I/N",
        (*build, "--shard", "1/51", "--out", "index/3"): "with count at most 50",
    }.items():
        assert run(monkeypatch, *words) == 2
        told = capsys.readouterr().err
        assert message in told
        assert told.count("\n") == 1


def test_mistakes_are_one_line(arrays, monkeypatch, capsys) -> None:
    assert run(monkeypatch, "distill", "a.npy", "c.npy", *BANK, "--out", "s.pt") == 2
    assert capsys.readouterr().err == "ucl: --out must end in .safetensors: got s.pt\n"
    assert run(monkeypatch, "search", "a.npy", "--candidates", "none") == 2
    assert capsys.readouterr().err.startswith("ucl: no such file or folder: none; expected what `ucl embed` or")
    assert run(monkeypatch, "search", "a.npy", "--candidates", ".") == 2
    assert capsys.readouterr().err.startswith("ucl: no index in .: index.json is missing; make it with")
    assert run(monkeypatch, "search", "a.npy", "--candidates", "c.parquet", *BANK) == 2
    assert "use `ucl retrieve a.npy c.parquet" in capsys.readouterr().err
