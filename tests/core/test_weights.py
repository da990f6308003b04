"""Weights and repeats: by brute force over distinct samples, and by what a weighted bank must be equal to."""

import numpy as np
import pytest
import torch
from bridge_oracle import draw, similarity
from hypothesis import given, settings
from hypothesis import strategies as st

from ucl import Bank, Bridge, BridgeResult, Candidates, Cosine, Dot, InputError, NegativeL2, merge

AB, BC = Cosine(6.0), Cosine(3.0)


def score(bank: Bank, a: torch.Tensor, c: torch.Tensor, normalize: bool = False, ab=AB, bc=BC) -> BridgeResult:
    return Bridge(ab, bc, bank, normalize=normalize).score(a, c, progress=False)


def by_hand(a, c, b1, b2, weights, normalize, ab=AB, bc=BC) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Score, standard error and effective sample size over distinct samples, term by term."""
    s, t = similarity(ab, a, b1), similarity(bc, c, b2)
    shares = weights / weights.sum()
    x, u, v = (s[:, None] + t).exp(), s.exp()[:, None], t.exp()[None]
    means = [(shares * y).sum(-1) for y in (x, u, v)]
    scores, z = means[0].log(), x / means[0][..., None] - 1
    if normalize:
        scores = scores - means[1].log() - means[2].log()
        z = z - (u / means[1][..., None] - 1) - (v / means[2][..., None] - 1)
    error = ((shares.square() * z.square()).sum(-1) / (1 - shares.square().sum())).sqrt()
    size = (shares * x).sum(-1).square() / (shares * x).square().sum(-1)
    return scores, error, size


def agree(result: BridgeResult, expected: tuple[torch.Tensor, ...]) -> None:
    for found, right in zip(
        (result.scores, result.standard_error, result.effective_sample_size), expected, strict=True
    ):
        # A standard error is the root of a difference of float64: what is below 1e-8 is rounding.
        assert torch.allclose(torch.as_tensor(found).double(), right, rtol=1e-6, atol=1e-8)


counts_of = st.lists(st.integers(1, 5), min_size=2, max_size=25)


@settings(max_examples=30)
@given(
    counts=counts_of, normalize=st.booleans(), kind=st.sampled_from([Cosine, Dot, NegativeL2]), seed=st.integers(0, 99)
)
def test_repeats_are_integer_weights(counts, normalize, kind, seed) -> None:
    m, order = len(counts), np.random.default_rng(seed)
    a, c, b1, b2 = (draw(n, 4, seed=seed + i) for i, n in enumerate((3, 2, m, m)))
    rows = torch.from_numpy(order.permutation(np.repeat(np.arange(m), counts)))
    expected = by_hand(a, c, b1, b2, torch.tensor(counts).double(), normalize, kind(2.0), kind(1.0))
    agree(score(Bank(b1[rows], b2[rows]), a, c, normalize, kind(2.0), kind(1.0)), expected)
    agree(score(Bank(b1, b2, weights=np.array(counts)), a, c, normalize, kind(2.0), kind(1.0)), expected)


@settings(max_examples=30)
@given(
    weights=st.lists(st.floats(1e-3, 1e3, allow_subnormal=False), min_size=2, max_size=25),
    normalize=st.booleans(),
    parts=st.integers(1, 2),
)
def test_any_weights_and_their_shards(weights, normalize, parts) -> None:
    m = len(weights)
    a, c, b = draw(3, 4), draw(2, 4, seed=1), draw(m, 4, seed=2)
    bank = Bank(torch.cat([b, b]), weights=torch.tensor([*weights, *weights[::-1]]))
    pooled = torch.tensor(weights).double() + torch.tensor(weights[::-1]).double()
    expected = by_hand(a, c, b, b, pooled, normalize)
    agree(score(bank, a, c, normalize), expected)
    agree(merge([score(bank.shard(i, parts), a, c, normalize) for i in range(parts)]), expected)


@pytest.mark.parametrize("normalize", [False, True])
def test_weights_and_repeats_survive_files(tmp_path, normalize) -> None:
    a, c, b = draw(3, 4), draw(2, 4, seed=1), draw(200, 4, seed=2)
    weights = torch.rand(400, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
    bank = Bank(torch.cat([b, b]), weights=weights)
    expected = by_hand(a, c, b, b, weights[:200] + weights[200:], normalize)
    for prepared in (bank.prepare(AB, BC, progress=False), bank.prepare(AB, BC, tmp_path / "bank", progress=False)):
        agree(score(prepared, a, c, normalize), expected)
        agree(
            score(Bank.load(tmp_path / "bank") if prepared.for_a.in_memory is False else prepared, a, c, normalize),
            expected,
        )
        bridge = Bridge(AB, BC, prepared, normalize=normalize)
        bridge.prepare(c, progress=False).save(tmp_path / "ready.safetensors")
        agree(bridge.score(a, Candidates.load(tmp_path / "ready.safetensors"), progress=False), expected)
        parts = []
        for i in range(3):
            score(prepared.shard(i, 3), a, c, normalize).save(tmp_path / "part.safetensors")
            parts.append(BridgeResult.load(tmp_path / "part.safetensors"))
        agree(merge(parts), expected)
    np.save(tmp_path / "rows.npy", torch.cat([b, b]).numpy())
    agree(score(Bank(tmp_path / "rows.npy", weights=weights), a, c, normalize), expected)


def test_weights_far_apart_at_a_high_scale() -> None:
    """Entries that the certificate sends to an exact path, the sums of one side among them."""
    poles = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    bank, weights = poles.repeat(200, 1) + 1e-3 * draw(400, 2), torch.logspace(-200, 200, 400, dtype=torch.float64)
    critic = Cosine(1000.0)
    result = Bridge(critic, critic, Bank(bank, weights=weights), normalize=True).score(poles, poles, progress=False)
    s = similarity(critic, poles, bank)
    shares = weights.log() - weights.log().logsumexp(0)
    sides = (s + shares).logsumexp(-1)
    exact = (s[:, None] + s[None] + shares).logsumexp(-1) - sides[:, None] - sides
    assert result.recomputed > 0
    assert (result.scores - exact).abs().max() <= 1e-12 * 4000


@pytest.mark.parametrize("normalize", [False, True])
def test_gradients_of_a_weighted_bank(normalize) -> None:
    weights = torch.rand(30, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
    leaves = [draw(n, 4, seed=n).requires_grad_() for n in (3, 2, 30)]
    ours = torch.autograd.grad(
        score(Bank(leaves[2], weights=weights), *leaves[:2], normalize).scores.square().sum(), leaves
    )
    s, t, log_shares = AB(leaves[0], leaves[2]), BC(leaves[1], leaves[2]), (weights / weights.sum()).log()
    expected = (s[:, None] + t + log_shares).logsumexp(-1)
    if normalize:
        expected = expected - (s + log_shares).logsumexp(-1)[:, None] - (t + log_shares).logsumexp(-1)
    for x, y in zip(ours, torch.autograd.grad(expected.square().sum(), leaves), strict=True):
        assert torch.allclose(x, y)


@pytest.mark.parametrize("normalize", [False, True])
def test_the_weighted_standard_error_is_the_spread_over_banks(normalize) -> None:
    """Samples drawn anew with fixed weights, by simulation."""
    a, c, banks = draw(1, 3), draw(1, 3, seed=1), draw(3000, 300, 3, seed=2)
    weights = torch.linspace(0.2, 3, 300, dtype=torch.float64)
    scores = torch.stack([by_hand(a, c, bank, bank, weights, normalize)[0] for bank in banks])
    errors = torch.stack([score(Bank(b, weights=weights), a, c, normalize).standard_error for b in banks[:40]])
    assert float(errors.square().mean().sqrt()) == pytest.approx(float(scores.std()), rel=0.06)


def test_one_distinct_sample_has_no_standard_error() -> None:
    result = score(Bank(draw(1, 4).repeat(7, 1)), draw(2, 4), draw(3, 4))
    assert torch.isnan(result.standard_error).all()
    assert torch.allclose(result.effective_sample_size, torch.ones(2, 3, dtype=torch.float64))


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        (np.ones(4), "vector of 5 numbers, one per sample: got ndarray of shape \\[4\\]"),
        (np.ones((5, 1)), "vector of 5"),
        (np.array([1, 1, 0, 1, 1]), "positive and finite"),
        (torch.tensor([1.0, 1, np.nan, 1, 1]), "positive and finite"),
        (torch.ones(5, requires_grad=True), "fixed numbers"),
        (np.ma.MaskedArray(np.ones(5), mask=[0, 1, 0, 0, 0]), "plain vector"),
        (["a"] * 5, "weights must be numbers"),
    ],
)
def test_wrong_weights_are_refused(weights, match) -> None:
    with pytest.raises(InputError, match=match):
        Bank(draw(5, 3), weights=weights)
