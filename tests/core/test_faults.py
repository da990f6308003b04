"""What once answered wrongly without a word: each is right now, or refused in one line."""

import threading

import numpy as np
import pytest
import torch
from bridge_oracle import draw, similarity, truth
from safetensors.torch import load_file, save_file

from ucl import (
    Bank,
    Bridge,
    BridgeResult,
    Candidates,
    Cosine,
    Dot,
    InputError,
    NegativeL2,
    NegativeSquaredL2,
    log_sum_exp_scores,
    merge,
)
from ucl.core.fingerprint import ChangedError, Fingerprint, mixed_sum
from ucl.core.precision import full_precision
from ucl.files import read_json, write_json

AB, BC = Cosine(100.0), Cosine(18.6)


def score(bank: Bank, a: torch.Tensor, c: torch.Tensor, ab=AB, bc=BC) -> BridgeResult:
    return Bridge(ab, bc, bank, normalize=False).score(a, c, progress=False)


def refused(call, match: str) -> None:
    with pytest.raises(InputError, match=match) as caught:
        call()
    assert "\n" not in str(caught.value)


# --- changes in place

SOURCES = {
    "array": lambda rows, path: rows,
    "half array": lambda rows, path: rows.astype(np.float16),
    "strided array": lambda rows, path: np.repeat(rows, 2, axis=1)[:, ::2],
    "tensor": lambda rows, path: torch.tensor(rows),
    "tensor over an array": lambda rows, path: torch.from_numpy(rows),
    "memory map": lambda rows, path: np.lib.format.open_memmap(path, "w+", rows.dtype, shape=rows.shape),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("critic", [Cosine(70.0), Dot(3.0), NegativeL2(3.0), NegativeSquaredL2(2.0)])
def test_a_bank_changed_in_place_is_seen_and_late_errors_are_refused(source, critic, tmp_path) -> None:
    a, c, rows, other = (draw(n, 8, seed=n).float() for n in (4, 5, 60, 61))
    mine = SOURCES[source](rows.numpy().copy(), tmp_path / "rows.npy")
    mine[:] = rows if isinstance(mine, torch.Tensor) else rows.numpy()
    bank = Bank(mine)
    early = score(bank, a, c, critic, critic)
    kept = early.effective_sample_size
    assert torch.equal(early.effective_sample_size, kept)
    late = score(bank, a, c, critic, critic)
    (mine.data if isinstance(mine, torch.Tensor) else mine)[:] = (
        other[:60] if isinstance(mine, torch.Tensor) else other[:60].numpy()
    )
    for read in (lambda: late.standard_error, lambda: late.effective_sample_size):
        refused(read, "the bank has changed since these scores were made")
    now = torch.as_tensor(np.asarray(mine).astype("f8"))
    exact = truth(critic, critic, a, c, now, now)
    assert (score(bank, a, c, critic, critic).scores - exact).abs().max() < 1e-6 * (1 + exact.abs().max() + 140)


def test_rows_exchanged_mirrored_or_negated_are_changes() -> None:
    rows = draw(30, 6).numpy()
    for change in (lambda x: x[::-1].copy(), lambda x: x[:, ::-1].copy(), lambda x: -x):
        mine = rows.copy()
        result = score(Bank(mine), draw(2, 6), draw(2, 6))
        mine[:] = change(rows)
        with pytest.raises(ChangedError):
            _ = result.standard_error


def test_nan_written_in_place_is_told() -> None:
    for critic in (AB, Dot(1.0)):
        mine = draw(30, 6).numpy()
        bank = Bank(mine)
        score(bank, draw(2, 6), draw(2, 6), critic, critic)
        mine[7] = np.nan
        refused(lambda b=bank, f=critic: score(b, draw(2, 6), draw(2, 6), f, f), "row 7 holds NaN")


@pytest.mark.parametrize("asks", ["query", "candidate"])
@pytest.mark.parametrize("critic", [Cosine(20.0), Dot(1.0)])
def test_a_bank_overwritten_before_backward_is_autograds_error(asks, critic) -> None:
    queue, x, y = draw(300, 6), draw(3, 6), draw(4, 6)
    (x if asks == "query" else y).requires_grad_()
    loss = score(Bank(queue), x, y, critic, critic).scores.sum()
    queue[:32] = 0.5
    with pytest.raises(RuntimeError, match="changed since"):
        loss.backward()


def test_inputs_overwritten_before_backward_or_before_errors_are_read() -> None:
    a, c, b = draw(3, 6), draw(4, 6, seed=1).numpy(), draw(50, 6, seed=2)
    x = a.clone().requires_grad_()
    right = score(Bank(b), x, torch.tensor(c))
    (expected,) = torch.autograd.grad(right.scores.sum(), x)
    mine = c.copy()
    result = score(Bank(b), x, mine)
    mine[:] = 7.0
    (found,) = torch.autograd.grad(result.scores.sum(), x)
    assert torch.equal(found, expected)
    assert torch.equal(result.standard_error, right.standard_error)
    loss = score(Bank(b), x, c).scores.sum()
    x.data[0] = 3.0
    with pytest.raises(ChangedError, match="inputs have changed"):
        loss.backward()


def test_a_learned_scale_that_moved_on_does_not_change_what_was_scored() -> None:
    scale = torch.tensor(20.0, dtype=torch.float64, requires_grad=True)
    a, c, bank = draw(3, 6), draw(4, 6, seed=1), Bank(draw(50, 6, seed=2))
    expected = score(bank, a, c, Cosine(20.0), Cosine(20.0)).standard_error
    result = score(bank, a, c, Cosine(scale), Cosine(scale))
    with torch.no_grad():
        scale += 5
    assert torch.equal(result.standard_error, expected)


def test_a_part_of_a_learned_bank_gets_its_gradient() -> None:
    whole = draw(40, 6).requires_grad_()
    score(Bank(whole).between(10, 20), draw(2, 6), draw(3, 6)).scores.sum().backward()
    part = whole.detach()[10:20].clone().requires_grad_()
    score(Bank(part), draw(2, 6), draw(3, 6)).scores.sum().backward()
    assert torch.equal(whole.grad[10:20], part.grad)
    assert not whole.grad[:10].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fingerprints_do_not_depend_on_the_blocks_and_see_every_change(dtype) -> None:
    rows = draw(50, 6).to(dtype)
    running = Fingerprint()
    for block in rows.split(7):
        running.add(block)
    whole = Fingerprint()
    whole.add(rows)
    assert running.digest() == whole.digest()
    total = mixed_sum(rows, 0)  # what stands for the hash on a GPU
    assert torch.equal(total, mixed_sum(rows[:20], 0) + mixed_sum(rows[20:], 20))
    for other in (-rows, rows.flip(0), rows.flip(1), rows.index_fill(0, torch.tensor(3), 0.0), rows.roll(1, 0)):
        assert not torch.equal(total, mixed_sum(other.contiguous(), 0))


# --- precision


def alike(d: int) -> dict[str, torch.Tensor]:
    signs = torch.where(draw(400, d, seed=d) > 0, 1.0, -1.0)
    return {
        "constant": torch.full((400, d), 0.7),
        "binary": signs,
        "four values": signs * torch.where(draw(400, d, seed=1) > 0, 1.0, 0.3),
        "periodic": (1.1 + (torch.arange(d) % 8) / 7).expand(400, d),
        "positive": draw(400, d).abs() + 0.1,
        "some constant": torch.cat([draw(399, d), torch.full((1, d), 0.7)]),
    }


@pytest.mark.parametrize("d", [2, 33, 128, 768, 4096, 20_000])
@pytest.mark.parametrize("kind", alike(2))
def test_terms_that_round_alike_keep_the_bound(kind, d) -> None:
    bank = alike(d)[kind].float()
    for a, c in (
        (bank[-3:], bank[-3:]),
        (bank[-1:], bank[-1:]),
        (torch.full((2, d), 1.1), -torch.full((2, d), 0.3)),
    ):
        error = score(Bank(bank), a, c, Cosine(100.0), Cosine(100.0)).scores - truth(
            Cosine(100.0), Cosine(100.0), a, c, bank, bank
        )
        assert error.abs().max() <= 1e-4, f"off by {float(error.abs().max()):.1e}"


def test_products_that_are_all_equal_keep_the_bound() -> None:
    """Rows as random as any, anchors their reciprocals: every term of a product is the same."""
    bank = (draw(300, 2048).abs() + 0.5).float()
    a = 1 / bank[:4]
    got = score(Bank(bank), a, a, Cosine(100.0), Cosine(100.0)).scores
    assert (got - truth(Cosine(100.0), Cosine(100.0), a, a, bank, bank)).abs().max() <= 1e-4


def test_gradients_do_not_depend_on_the_default_dtype() -> None:
    a, c, bank = draw(3, 6), draw(4, 6, seed=1), Bank(draw(50, 6, seed=2))

    def gradient(scale: float | torch.Tensor) -> torch.Tensor:
        x = a.clone().requires_grad_()
        return torch.autograd.grad(score(bank, x, c, Cosine(scale), Cosine(scale)).scores.sum(), x)[0]

    expected = gradient(torch.tensor(1234.56789, dtype=torch.float64))
    assert torch.allclose(gradient(1234.56789), expected, rtol=1e-12)
    torch.set_default_dtype(torch.bfloat16)
    try:
        assert torch.equal(gradient(1234.56789), expected)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("critic", "size", "dtype"),
    [
        (NegativeL2(1.0), 1e200, torch.float64),
        (NegativeSquaredL2(1.0), 1e160, torch.float64),
        (Dot(1.0), 1e160, torch.float64),
        (Dot(1.0), 1e30, torch.float32),
        (Dot(1e300), 1e10, torch.float64),
    ],
)
def test_scores_beyond_the_range_are_refused(critic, size, dtype) -> None:
    a, c, b = (size * draw(n, 4, seed=n).to(dtype) for n in (2, 3, 20))
    refused(lambda: score(Bank(b), a, c, critic, critic).scores, "range of float")


def test_given_scores_at_the_end_of_the_range() -> None:
    for size in (3e37, 3e38):
        s, t = (size * torch.ones(n, 5) for n in (2, 3))
        if size < 1e38:
            assert torch.allclose(log_sum_exp_scores(s, t), torch.full((2, 3), 2 * size))
        else:
            refused(lambda s=s, t=t: log_sum_exp_scores(s, t), "range of float32")


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_directions_at_the_ends_of_the_range_have_gradients_and_a_direct_comparison(size) -> None:
    a, c, b = draw(3, 6), draw(4, 6, seed=1), draw(50, 6, seed=2)
    x, y = a.clone().requires_grad_(), (a * size).requires_grad_()
    score(Bank(b), x, c).scores.sum().backward()
    score(Bank(b * size), y, c * size).scores.sum().backward()
    assert torch.allclose(y.grad * size, x.grad, rtol=1e-9)
    direct = Bridge(AB, BC, Bank(b), normalize=False).direct(a * size, c * size)
    assert torch.allclose(direct, similarity(AB, a, c))
    refused(lambda: Bridge(AB, BC, Bank(b), normalize=False).direct(a, 0 * c), "no zero vector")


# --- wrong objects


def test_what_is_no_critic_no_bank_or_no_array_is_refused() -> None:
    rows = draw(20, 4)
    refused(
        lambda: Bridge(Cosine, Cosine(1.0), Bank(rows), normalize=False), "ab must be a critic .* got the class Cosine"
    )
    refused(lambda: Bridge(Cosine(1.0), 18.6, Bank(rows), normalize=False), "bc must be a critic .* got a float")
    refused(lambda: Bridge(AB, BC, rows, normalize=False), "bank must be a Bank: got a Tensor")
    refused(lambda: Bank(rows).prepare(Cosine, BC), "ab must be a critic")
    masked = np.ma.MaskedArray(rows.numpy(), mask=rows.numpy() > 1)
    refused(lambda: Bank(masked), "must have no mask: got a masked array")
    refused(lambda: score(Bank(rows), masked, rows), "must have no mask: got a masked array")
    for kind in (Cosine, Dot, NegativeL2, NegativeSquaredL2):
        with pytest.raises(TypeError, match="scale"):
            kind()


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("kind", [Cosine, Dot, NegativeL2])
def test_embeddings_made_in_inference_mode(inside, kind) -> None:
    with torch.inference_mode():
        a, b = draw(4, 6) * 1, draw(50, 6, seed=2) * 1
        bridge = Bridge(kind(10.0), kind(5.0), Bank(b), normalize=False)
        if inside:
            result = bridge.score(a, a, progress=False)
    if not inside:
        result = bridge.score(a, a, progress=False)
    expected = truth(kind(10.0), kind(5.0), a, a, b, b)
    assert torch.allclose(result.scores, expected, atol=1e-9)
    assert torch.isfinite(result.standard_error).all()
    x = draw(3, 6).requires_grad_()
    bridge.score(x, a, progress=False).scores.sum().backward()
    assert torch.isfinite(x.grad).all()


# --- prepared banks and candidates


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
