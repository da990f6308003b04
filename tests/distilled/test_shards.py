"""An index in shards against brute force and against the index over all candidates; sets that do not go together."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ucl import Bank, Bridge, Cosine, InputError
from ucl.core.parquet import ParquetRows
from ucl.core.readers import as_rows
from ucl.distilled import nearest, shards
from ucl.distilled.distil import distill
from ucl.distilled.shards import mark
from ucl.distilled.student import Index, Student
from ucl.distilled.training import Settings
from ucl.files import write_table
from ucl.runtime import generator

SHAPES = [(200, 5), (200, 3), (6, 5), (90, 3)]
B1, B2, A, C = (torch.randn(*shape, generator=generator(i)) for i, shape in enumerate(SHAPES))
BRIDGE = Bridge(Cosine(9.0), Cosine(7.0), Bank(B1, B2), normalize=False)
IDS = [f"c{i}" for i in range(90)]


def learned(seed: int) -> Student:
    settings = Settings(steps=20, batch=32, checks=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return distill(BRIDGE, B1, B2, width=6, seed=seed, settings=settings, progress=False)


@pytest.fixture(scope="module")
def student() -> Student:
    return learned(0)


def built(student: Student, folder: Path, count: int, c=C, **options) -> list[Path]:
    """The folders of all shards."""
    paths = [folder / f"{i + 1}" for i in range(count)]
    for i, path in enumerate(paths):
        student.index(c, shard=(i, count), **options).save(path)
    return paths


def told(call) -> str:
    """The one line of the error that `call` must raise."""
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("count", [1, 4, 90])
def test_shards_find_what_the_whole_finds(student, tmp_path, count) -> None:
    built(student, tmp_path, count, ids=IDS)
    index, whole = Index.open(tmp_path, BRIDGE), student.index(C, IDS)
    for rerank, expected in ((0, student.score(A, C)), (90, BRIDGE.score(A, C).scores)):
        best = expected.topk(5)
        found = index.search(A, k=5, rerank=rerank, tolerance=1e-4)
        assert torch.equal(found.indices, best.indices)
        assert found.ids == [[f"c{i}" for i in row] for row in best.indices.tolist()]
        torch.testing.assert_close(found.scores, best.values.to(found.scores), atol=2e-4, rtol=0)
    assert torch.equal(index.search(A, k=3, rerank=20).indices, whole.search(A, k=3, rerank=20).indices)


@given(st.data())
def test_merged_answers_are_those_of_all_vectors(data) -> None:
    sizes = data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=6))
    depth = data.draw(st.integers(1, sum(sizes)))
    draw = np.random.default_rng(data.draw(st.integers(0, 2**32))).integers
    vectors, queries = (draw(-2, 3, (n, 3)).astype("f4") for n in (sum(sizes), 4))  # exact products, many of them equal
    parts = [nearest.made(part) for part in np.split(vectors, np.cumsum(sizes)[:-1])]
    scores, rows = nearest.searched_all(parts, queries, depth)
    every = queries @ vectors.T
    assert np.array_equal(scores, -np.sort(-every)[:, :depth])
    assert np.array_equal(np.take_along_axis(every, rows, 1), scores)
    assert all(len(set(row)) == depth for row in rows.tolist())


def test_a_normalised_bridge_is_pruned_by_what_the_shards_know(student, tmp_path) -> None:
    bridge = Bridge(BRIDGE.ab, BRIDGE.bc, BRIDGE.bank)
    paths = built(student, tmp_path, 3, bridge=bridge)
    index = Index.open(paths, bridge)
    found = index.search(A, k=4, rerank=90)
    assert index._reranker.pruning is not None
    exact = bridge.score(A, C).scores.topk(4).values
    torch.testing.assert_close(found.scores, exact.double(), atol=0.01, rtol=0)
    student.index(C, shard=(1, 3), bridge=Bridge(BRIDGE.ab, Cosine(6.0), BRIDGE.bank)).save(paths[1])
    assert "must be built with one bridge or with none" in told(lambda: Index.open(paths))


def test_lists_of_shards_find_as_much_as_those_of_the_whole(monkeypatch) -> None:
    monkeypatch.setattr(nearest, "FLAT", 100)
    random = np.random.default_rng(0).standard_normal
    vectors, queries = (random((n, 8), "f4") for n in (40_000, 200))  # noise: the hardest for lists
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    parts = [nearest.made(np.ascontiguousarray(part), 40_000) for part in np.split(vectors, 4)]
    assert [part.nlist for part in parts] == [156] * 4  # 64 vectors each; the whole has 200
    best = np.argsort(-queries @ vectors.T)[:, :100]

    def recall(indexes: list[Any]) -> float:
        _, found = nearest.searched_all(indexes, queries, 100)
        return float(np.mean([len({*row} & {*own}) / 100 for row, own in zip(found, best, strict=True)]))

    assert recall(parts) >= recall([nearest.made(vectors)]) - 0.03
    assert recall(parts) >= 0.8


def test_lists_of_shards_give_all_where_all_are_asked_for(student, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(nearest, "FLAT", 10)
    found = Index.open(built(student, tmp_path, 4), BRIDGE).search(A, k=3, rerank=90, tolerance=1e-4)
    assert torch.equal(found.indices, BRIDGE.score(A, C).scores.topk(3).indices)


def test_a_shard_reads_its_own_rows_alone(student, tmp_path, monkeypatch) -> None:
    c = np.full((90, 3), np.nan, "f4")
    c[30:60] = C[30:60]
    np.save(tmp_path / "c.npy", c)
    index = student.index(tmp_path / "c.npy", shard=(1, 3))
    assert np.array_equal(index.candidates.read(0, 30).numpy(), c[30:60])
    assert "row 0 holds NaN" in told(lambda: student.index(tmp_path / "c.npy", shard=(0, 3)))

    decoded, decode = set(), ParquetRows._decode
    monkeypatch.setattr(
        ParquetRows, "_decode", lambda rows, group, *more: [decoded.add(group), decode(rows, group, *more)][1]
    )
    column = pa.FixedSizeListArray.from_arrays(pa.array(C.numpy().ravel()), 3)
    pq.write_table(pa.table({"id": IDS, "x": column}), tmp_path / "c.parquet", row_group_size=5)
    index = student.index(tmp_path / "c.parquet", shard=(1, 3))
    assert decoded == {0, *range(6, 12)}  # the first one says how wide rows are
    assert index.ids == IDS[30:60]


def test_sets_that_do_not_go_together_are_refused_in_one_line(student, tmp_path) -> None:
    paths = built(student, tmp_path / "own", 4)
    two, other = built(student, tmp_path / "two", 2), built(student, tmp_path / "c", 4, C.flip(0))
    unlike = built(learned(1), tmp_path / "student", 4)
    student.index(C).save(tmp_path / "whole")
    for given_, message in (
        (paths[:2] + paths[3:], "must make up all candidates: 3/4 missing; give all 4, or the folder that holds them"),
        ([paths[2]], "must make up all candidates: 1/4, 2/4, 4/4 missing"),
        ([*paths, paths[1]], "are both 2/4; give it once"),
        ([*paths[:3], two[1]], "must be of one number of shards"),
        ([*paths[:3], other[3]], "must be of the same candidates"),
        ([*paths[:3], unlike[3]], "must be by the same student"),
        ([*paths, tmp_path / "whole"], "is an index of all candidates: got 4 beside it; give it alone"),
        ([], "made of one folder or more: got none"),
    ):
        assert message in told(lambda these=given_: Index.open(these))
    student.index(C, IDS, shard=(3, 4)).save(paths[3])
    assert "must all have ids, or none: got 1 of 4" in told(lambda: Index.open(paths))


def test_wrong_use_is_told(student, tmp_path) -> None:
    for shard in ((4, 4), (-1, 4), (0, 91)):
        assert "with count at most 90" in told(lambda own=shard: student.index(C, shard=own))
    assert "got 2 ids for 90 rows" in told(lambda: student.index(C, IDS[:2], shard=(0, 2)))
    assert "this is shard 1/2 of an index" in told(lambda: student.index(C, shard=(0, 2)).search(A, rerank=0))
    paths = built(student, tmp_path, 2)
    assert "is saved already" in told(lambda: Index.open(paths).save(tmp_path / "again"))
    about = json.loads((paths[0] / "index.json").read_text())
    for change in ({"format": "ucl-index-2"}, {"shard": about["shard"] | {"index": 5}}, {"shard": {"index": 0}}):
        (paths[0] / "index.json").write_text(json.dumps(about | change))
        assert "build the index again" in told(lambda: Index.open(tmp_path))
    (paths[0] / "index.json").write_text(json.dumps(about | {"shard": about["shard"] | {"rows": 91}}))
    (paths[1] / "index.json").write_text((paths[1] / "index.json").read_text().replace('"rows": 90', '"rows": 91'))
    assert "does not add up" in told(lambda: Index.open(tmp_path))


def test_candidates_are_told_from_others(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(shards, "BLOCK", 2048)
    monkeypatch.setattr(shards, "PLACES", 3)
    c = torch.randn(20_000, 3, generator=generator(9)).numpy()
    changed = c.copy()
    changed[4000] += 1

    def marks(x: np.ndarray) -> tuple[str, ...]:
        np.save(tmp_path / "x.npy", x)
        column = pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), 3)
        write_table(pa.table({"x": column, "y": column}), tmp_path / "x.parquet")
        return (
            mark(as_rows(x, "c")),
            mark(as_rows(tmp_path / "x.npy", "c")),
            mark(as_rows(f"{tmp_path}/x.parquet:x", "c")),
        )

    own, again, one, others = marks(c), marks(c), marks(changed), marks(np.roll(c, 1, 0))
    assert own == again
    assert own[0] != one[0]
    assert own[1] == one[1]  # a row between the blocks that are looked at
    assert own[2] != one[2]  # sealed
    assert all(x != y for x, y in zip(own, others, strict=True))
    assert mark(as_rows(f"{tmp_path}/x.parquet:y", "c")) != others[2]


def test_a_student_is_known_again(student, tmp_path) -> None:
    student.save(tmp_path / "s.safetensors")
    assert Student.load(tmp_path / "s.safetensors").fingerprint() == student.fingerprint() != learned(1).fingerprint()
