"""What once answered wrongly without a word, of what was prepared or saved: right now, or refused in one line."""

import threading

import numpy as np
import pytest
import torch
from bridge_oracle import draw
from faults import AB, BC, refused, score
from safetensors.torch import load_file, save_file

from ucl import (
    Bank,
    Bridge,
    BridgeResult,
    Candidates,
    Cosine,
    Dot,
    NegativeL2,
    merge,
)
from ucl.core.fingerprint import Fingerprint
from ucl.core.precision import full_precision
from ucl.files import read_json, write_json


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("ucl.core.bank.PART", 100)
    Bank(draw(300, 6).float(), draw(300, 5, seed=1).float()).prepare(AB, BC, tmp_path / "bank", progress=False)
    return tmp_path / "bank"


def about(folder, **changes) -> None:
    write_json(read_json(folder / "bank.json") | changes, folder / "bank.json")


def rewrite(folder, change) -> None:
    """Change the rows of a part, digest and all."""
    from ucl.core.prepared import _digest

    tensors, parts = load_file(folder / "part-00001.safetensors"), read_json(folder / "bank.json")["parts"]
    save_file({name: change(value) for name, value in tensors.items()}, folder / "part-00001.safetensors")
    parts[1]["digest"] = _digest(folder / "part-00001.safetensors")
    about(folder, parts=parts)


def test_a_prepared_bank_that_is_not_what_it_says_is_refused(folder) -> None:
    whole, description = Bank.load(folder), read_json(folder / "bank.json")
    assert len(whole) == 300
    parts, sizes = description["parts"], description["sizes"]
    for changes in ({"parts": [parts[0], *parts[:2]]}, {"sizes": sizes[1:]}, {"samples": 299}, {"critics": []}):
        about(folder, **changes)
        refused(lambda: Bank.load(folder), "does not describe a bank that adds up")
        refused(lambda: Bank.load(folder, verify=False), "does not describe a bank that adds up")
        write_json(description, folder / "bank.json")
    (folder / "bank.json").write_text("{", "utf-8")
    refused(lambda: Bank.load(folder), "does not describe")
    write_json(description, folder / "bank.json")
    part = folder / "part-00001.safetensors"
    sound = part.read_bytes()
    part.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    refused(lambda: Bank.load(folder), "damaged or of another bank")
    assert len(Bank.load(folder, verify=False)) == 300
    part.write_bytes((folder / "part-00000.safetensors").read_bytes())
    refused(lambda: Bank.load(folder), "damaged or of another bank")
    part.write_bytes(sound[: len(sound) // 2])
    refused(lambda: Bank.load(folder, verify=False), "missing or no safetensors file")
    part.unlink()
    refused(lambda: Bank.load(folder), "missing or no safetensors file")
    part.write_bytes(sound)
    for change in (lambda x: x * 1.01, lambda x: x / 0 if x.is_floating_point() else x):
        part.write_bytes(sound)
        rewrite(folder, change)
        refused(lambda: Bank.load(folder), "must hold rows of norm one")


def test_a_build_that_is_killed_leaves_the_bank_that_was_there(folder, monkeypatch) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    written = iter(range(2))
    monkeypatch.setattr("ucl.core.bank.tight_groups", lambda *_: [torch.arange(100)] if next(written) < 1 else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Bank(draw(300, 6)).prepare(AB, BC, folder, progress=False)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["bank"]


def test_a_new_build_replaces_the_old_and_nothing_else(folder) -> None:
    assert len(Bank(draw(99, 6)).prepare(AB, BC, folder, progress=False)) == 99
    assert len(list(folder.glob("part-*"))) == 1
    (folder / "notes.txt").write_text("mine", "utf-8")
    refused(lambda: Bank(draw(99, 6)).prepare(AB, BC, folder), "files of another kind")


def test_a_bank_prepared_for_other_critics_or_scales_is_refused(folder) -> None:
    bank = Bank.load(folder)
    refused(lambda: Bridge(Dot(100.0), BC, bank, normalize=False), "prepared for the cosine critic: got the dot critic")
    refused(lambda: Bridge(Cosine(1.0), BC, bank, normalize=False), "another bridge, of scale 100: got 1")
    Bridge(Cosine(torch.tensor(99.0, requires_grad=True)), BC, bank, normalize=False)  # a scale that is being learned
    memory = Bank(draw(50, 4)).prepare(Dot(1.0), Dot(2.0), progress=False)
    refused(lambda: Bridge(NegativeL2(1.0), Dot(2.0), memory, normalize=False), "prepared for the dot critic")


def test_what_was_verified_when_it_was_opened_is_not_looked_at_again(folder, monkeypatch) -> None:
    bank = Bank.load(folder)
    bridge = Bridge(AB, BC, bank)
    candidates = bridge.prepare(draw(4, 5, seed=2).float(), progress=False)
    looked_at = []
    monkeypatch.setattr(Fingerprint, "add", lambda self, rows: looked_at.append(len(rows)))
    monkeypatch.setattr("ucl.core.bank.check_finite", lambda *rows: pytest.fail("rows were checked again"))
    scores = [bridge.score(draw(3, 6, seed=3).float(), candidates, progress=False).scores for _ in range(2)]
    assert torch.equal(*scores)
    assert looked_at == 2 * [3, 4]  # the queries and the candidates, which a merge of parts compares


def test_prepared_candidates_know_all_of_their_bank(tmp_path) -> None:
    a, c, rows = draw(3, 6), draw(4, 6, seed=1), draw(300, 6, seed=2)
    other = rows.clone()
    other[150, 3] += 1e-9
    ready = Bridge(AB, BC, Bank(rows), normalize=False).prepare(c, progress=False)
    refused(lambda: Bridge(AB, BC, Bank(other), normalize=False).score(a, ready), "prepared for another bridge")
    refused(
        lambda: Bridge(AB, BC, Bank(rows, rows.clone()), normalize=False).score(a, ready), "prepared for another bridge"
    )
    refused(
        lambda: Bridge(AB, BC, Bank(rows, weights=np.ones(300)), normalize=False).score(a, ready),
        "prepared for another bridge",
    )
    np.save(tmp_path / "rows.npy", rows.numpy())
    streamed = Bridge(AB, BC, Bank(tmp_path / "rows.npy"), normalize=False)
    assert torch.equal(
        streamed.score(a, ready).scores, Bridge(AB, BC, Bank(rows), normalize=False).score(a, ready).scores
    )
    np.save(tmp_path / "rows.npy", other.numpy())
    refused(
        lambda: Bridge(AB, BC, Bank(tmp_path / "rows.npy"), normalize=False).score(a, ready),
        "prepared for another bridge",
    )
    refused(lambda: streamed.prepare(c.clone().requires_grad_()), "fixed numbers")
    refused(lambda: Bank(rows.clone().requires_grad_()).prepare(AB, BC), "a prepared bank is fixed")


def test_files_of_another_kind_are_refused(tmp_path) -> None:
    bridge = Bridge(AB, BC, Bank(draw(50, 6)), normalize=False)
    result, ready = bridge.score(draw(2, 6), draw(3, 6)), bridge.prepare(draw(3, 6))
    result.save(tmp_path / "result.safetensors")
    ready.save(tmp_path / "ready.safetensors")
    save_file({"x": torch.ones(2)}, tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("no", "utf-8")
    whole = (tmp_path / "result.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-9])
    for load, own in ((BridgeResult.load, "result"), (Candidates.load, "ready")):
        load(tmp_path / f"{own}.safetensors")
        for name in {"result", "ready", "other", "text", "cut"} - {own}:
            refused(lambda load=load, n=name: load(tmp_path / f"{n}.safetensors"), "expected a file that")
        refused(lambda load=load: load(tmp_path), "expected a file that")
        refused(lambda load=load: load(tmp_path / "none"), "no such file")
    loaded = BridgeResult.load(tmp_path / "result.safetensors")
    refused(lambda: loaded.with_normalization(True), "does not hold what normalisation needs")
    assert torch.equal(loaded.with_normalization(False).standard_error, result.standard_error)


# --- merging


def test_merge_refuses_what_does_not_belong_together() -> None:
    a, c, rows = draw(3, 6), draw(4, 6, seed=1), draw(100, 6, seed=2)
    bank = Bank(rows)
    shards = [score(bank.shard(i, 3), a, c) for i in range(3)]
    ranges = [score(bank.between(low, high), a, c) for low, high in ((0, 10), (10, 60), (70, 100))]
    refused(lambda: merge([shards[0], shards[0], shards[2]]), "come twice")
    refused(lambda: merge(shards[:2]), "samples 66 to 100 are missing")
    refused(lambda: merge([shards[0], shards[2]]), "samples 33 to 66 are missing")
    refused(lambda: merge([*shards[:2], score(Bank(rows + 1).shard(2, 3), a, c)]), "parts of one bank")
    refused(lambda: merge([*shards[:2], score(bank.shard(2, 3), a + 1, c)]), "the same queries")
    refused(lambda: merge([*shards[:2], score(bank.shard(2, 3), a, c + 1)]), "the same candidates")
    refused(lambda: merge([*shards[:2], score(bank.shard(2, 3), a, c, Cosine(99.0))]), "one A-B critic and scale")
    refused(lambda: merge([*shards[:2], score(bank.shard(2, 3), a, c, AB, Dot(18.6))]), "one B-C critic and scale")
    refused(lambda: merge([ranges[0], score(bank.between(5, 20), a, c)]), "samples: 5 to 10 come twice")
    refused(lambda: merge([score(Bank(rows[:50]), a, c), score(Bank(rows[:50].clone()), a, c)]), "come twice")
    assert torch.allclose(merge(shards).scores, score(bank, a, c).scores)
    assert torch.allclose(
        merge([merge(ranges[:2]), ranges[2]]).scores, score(Bank(rows[[*range(60), *range(70, 100)]]), a, c).scores
    )
    own = merge([score(Bank(rows[:50]), a, c), score(Bank(rows[50:]), a, c)])
    assert torch.allclose(own.standard_error, score(bank, a, c).standard_error)


# --- the rest


def test_equal_scores_are_retrieved_by_index_for_every_k(monkeypatch) -> None:
    monkeypatch.setattr("ucl.core.bridge.TILE", 40)
    a, b = draw(6, 5), draw(30, 5, seed=1)
    c = draw(7, 5, seed=2)[torch.arange(60) % 7]
    bridge = Bridge(Cosine(8.0), Cosine(5.0), Bank(b), normalize=False)
    scores = bridge.score(a, c, progress=False).scores.numpy()
    for k in (1, 2, 5, 9, 33, 60):
        found = bridge.retrieve(a, c, k=k, progress=False)
        again = bridge.retrieve(a, c, k=60, progress=False)
        assert torch.equal(found.indices, again.indices[:, :k])
        for row in range(6):
            order = sorted(zip((-found.scores[row]).tolist(), found.indices[row].tolist(), strict=True))
            assert [index for _, index in order] == found.indices[row].tolist()
            assert np.allclose(np.sort(scores[row])[::-1][:k], found.scores[row])


def test_threads_leave_the_process_as_it_was() -> None:
    bank, a = Bank(draw(200, 8).float()), draw(5, 8).float()
    expected = score(bank, a, a).scores
    torch.set_float32_matmul_precision("medium")
    try:
        with full_precision(torch.device("cpu")):
            found: list[torch.Tensor] = []
            threads = [threading.Thread(target=lambda: found.append(score(bank, a, a).scores)) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert len(found) == 6
    assert all(torch.equal(scores, expected) for scores in found)
