"""An index against the exact bridge and against its own student, in memory and opened from its folder."""

import warnings

import numpy as np
import pytest
import torch

from ucl import Bank, Bridge, Cosine, InputError
from ucl.distilled import nearest
from ucl.distilled.distil import distill
from ucl.distilled.student import Index
from ucl.distilled.training import Settings
from ucl.runtime import generator

SHAPES = [(200, 5), (200, 3), (6, 5), (90, 3)]
B1, B2, A, C = (torch.randn(*shape, generator=generator(i)) for i, shape in enumerate(SHAPES))
BRIDGE = Bridge(Cosine(9.0), Cosine(7.0), Bank(B1, B2), normalize=False)
IDS = [f"c{i}" for i in range(90)]


@pytest.fixture(scope="module")
def student():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return distill(BRIDGE, B1, B2, width=6, settings=Settings(steps=20, batch=32, checks=2), progress=False)


@pytest.mark.parametrize("tolerance", [0.0, 1e-4])
def test_all_reranked_is_the_exact_retrieval(student, tolerance) -> None:
    found = student.index(C, IDS).search(A, k=4, rerank=90, tolerance=tolerance)
    exact = BRIDGE.score(A, C).scores.topk(4)
    assert torch.equal(found.indices, exact.indices)
    torch.testing.assert_close(found.scores, exact.values.double(), atol=2e-4, rtol=0)
    assert found.ids == [[f"c{i}" for i in row] for row in exact.indices.tolist()]


def test_a_normalised_bridge_is_pruned_by_what_the_index_knows(student, tmp_path) -> None:
    bridge, other = (Bridge(BRIDGE.ab, Cosine(scale), BRIDGE.bank) for scale in (7.0, 6.0))
    student.index(C, bridge=bridge).save(tmp_path / "index")
    for given, prunes in ((bridge, True), (other, False)):
        index = Index.open(tmp_path / "index", given)
        found = index.search(A, k=4, rerank=90)
        assert (index._reranker.pruning is not None) == prunes
        exact = given.score(A, C).scores.topk(4).values
        torch.testing.assert_close(found.scores, exact.double(), atol=0.01 if prunes else 1e-5, rtol=0)


def test_without_reranking_it_is_the_student(student) -> None:
    found = student.index(C).search(A, k=3, rerank=0)
    expected = student.score(A, C).topk(3)
    assert torch.equal(torch.as_tensor(found.ids), expected.indices)
    torch.testing.assert_close(found.scores, expected.values, atol=1e-4, rtol=1e-4)


def test_an_inverted_file_finds_all_if_all_is_asked_for(student, monkeypatch) -> None:
    monkeypatch.setattr(nearest, "FLAT", 10)
    found = student.index(C).search(A, k=3, rerank=90, tolerance=1e-4)
    assert torch.equal(found.indices, BRIDGE.score(A, C).scores.topk(3).indices)


def test_saved_and_opened(student, tmp_path) -> None:
    index = student.index(C.numpy(), IDS)
    index.save(tmp_path / "index")
    opened = Index.open(tmp_path / "index", BRIDGE)
    assert isinstance(np.load(tmp_path / "index" / "candidates.npy", mmap_mode="r"), np.memmap)
    found, again = index.search(A, k=5, rerank=50), opened.search(A, k=5, rerank=50)
    assert found.ids == again.ids
    assert torch.equal(found.scores, again.scores)
    with pytest.raises(InputError, match="reranking needs the bridge"):
        Index.open(tmp_path / "index").search(A)
    (tmp_path / "index" / "ids.json").write_text("[]")
    with pytest.raises(InputError, match=r"ids\.json is missing or damaged"):
        Index.open(tmp_path / "index")


def test_wrong_use_is_told(student, tmp_path) -> None:
    with pytest.raises(InputError, match="got 2 ids for 90 rows"):
        student.index(C, IDS[:2])
    with pytest.raises(InputError, match="between 1 and the number of candidates, 90: got 91"):
        student.index(C).search(A, k=91)
    with pytest.raises(InputError, match=r"index\.json is missing"):
        Index.open(tmp_path)


def test_arrays_that_change_after_it_was_built(student) -> None:
    """The bank is a view, and so are its answers; candidates are the index's own, as their vectors are."""
    b2, c = B2.clone(), C.clone()
    for normalize in (False, True):
        bridge = Bridge(BRIDGE.ab, BRIDGE.bc, Bank(B1, b2), normalize=normalize)
        index = student.index(c, bridge=bridge)
        index.search(A, k=3, rerank=90)
        reranker = index._reranker
        index.search(A[:2], k=3, rerank=90)
        assert index._reranker is reranker  # kept as long as nothing changes
        b2.copy_(b2.flip(0))
        c.zero_()
        found, exact = index.search(A, k=3, rerank=90), bridge.score(A, C).scores.topk(3)
        assert torch.equal(found.indices, exact.indices)
        torch.testing.assert_close(found.scores, exact.values.double(), atol=0.011, rtol=0)
        c.copy_(C)


def test_a_candidate_without_a_name_is_told(student) -> None:
    with pytest.raises(InputError, match="ids must name every candidate: row 7 has none"):
        student.index(C, [*IDS[:7], None, *IDS[8:]])


def test_what_they_print(student) -> None:
    assert repr(student).startswith("Student(")
    assert "from 5 and 3 to 6 wide" in repr(student)
    assert repr(student.index(C, IDS)) == f"Index(90 candidates, with ids, by {student})"
    assert repr(BRIDGE.score(A, C, tolerance=0.01)).startswith("PrunedResult(6 x 90 scores within 0.0")
    assert repr(student.index(C, shard=(1, 3))).startswith("Index(shard 2/3 of an index, 30 candidates, by")


def test_an_index_takes_the_place_of_another_at_the_end(student, tmp_path, monkeypatch) -> None:
    folder = tmp_path / "index"
    student.index(C, IDS).save(folder)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    other = student.index(C[:40])
    with monkeypatch.context() as patch:
        patch.setattr("ucl.distilled.index_folder.digest", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            other.save(folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    opened = Index.open(folder, BRIDGE)
    opened.save(folder)  # over what it is read from
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds files of another kind \(notes\.txt\): choose a new folder"):
        student.index(C).save(folder)
    assert (folder / "notes.txt").read_text() == "mine"
    assert [entry.name for entry in tmp_path.iterdir()] == ["index"]
