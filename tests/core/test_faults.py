"""What once answered wrongly without a word: each is right now, or refused in one line."""

import jaxtyping
import numpy as np
import pytest
import torch
from bridge_oracle import draw, similarity, truth
from faults import AB, BC, refused, score

from ucl import (
    Bank,
    Bridge,
    BridgeResult,
    Cosine,
    Dot,
    NegativeL2,
    NegativeSquaredL2,
    log_sum_exp_scores,
)
from ucl.core.fingerprint import ChangedError, Fingerprint, mixed_sum

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


def test_numbers_of_another_kind_are_refused() -> None:
    """Of those that the types of the tests let through: a user has no such types."""
    x = draw(5, 3).float()
    bridge = Bridge(AB, BC, Bank(x))
    for value in (True, 0, 6):
        refused(lambda v=value: bridge.retrieve(x, x, k=v), "k must be a whole number between 1 and")
        refused(lambda v=value: bridge.explain(x[0], x[0], top=v), "top must be a whole number between 1 and")
    for value in ("5", None, [1.0, "a"], 1j):
        critic = object.__new__(Cosine)
        object.__setattr__(critic, "scale", value)
        refused(critic.__post_init__, "scale must be a number: got")


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


# --- arguments of the wrong kind

ROWS = draw(8, 6).float()


def weighted(weight: float) -> BridgeResult:
    """Scores are those of any other weight; what is refused is what needs their squares."""
    result = score(Bank(ROWS, weights=[weight] * len(ROWS)), ROWS[:2], ROWS)
    assert (result.scores - score(Bank(ROWS), ROWS[:2], ROWS).scores).abs().max() < 1e-4
    return result


WRONG = {
    "tolerance in words": (lambda own: own.score(ROWS, ROWS, tolerance="a"), "positive and finite, in nats: got 'a'"),
    "two tolerances": (
        lambda own: own.score(ROWS, ROWS, tolerance=torch.tensor([0.1, 0.2])),
        "positive and finite, in nats",
    ),
    "normalize in words": (lambda own: Bridge(AB, BC, own.bank, normalize="no"), "must be True or False: got 'no'"),
    "half a shard": (lambda own: own.bank.shard(0.5, 3), "shard must be one of 0 to count - 1"),
    "half a part": (lambda own: own.bank.between(0.5, 2), "must be within it"),
    "no numbers": (lambda own: own.score(ROWS.to("meta"), ROWS), "on the device meta"),
    "pruned to nothing": (lambda own: own.pruning(0.0), "positive and finite, in nats: got 0.0"),
    "endless weights": (lambda own: Bank(ROWS, weights=[1e308] * len(ROWS)), "add up .*divide them by their mean"),
    "errors of huge weights": (lambda own: weighted(1e200).standard_error, "errors need .*divide them by their mean"),
    "errors of tiny weights": (lambda own: weighted(1e-200).standard_error, "errors need .*divide them by their mean"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_arguments_of_the_wrong_kind_are_refused_in_a_line(wrong) -> None:
    act, told = WRONG[wrong]
    own = Bridge(AB, BC, Bank(ROWS))
    jaxtyping.config.update("jaxtyping_disable", True)  # as for users: the tests' own checks would be first
    try:
        refused(lambda: act(own), told)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
