"""Pruned scores against the exact sum: never outside their bound; barycentres against their definition."""

import math

import mpmath
import pytest
import torch
from bridge_oracle import draw, similarity, truth

from ucl import Bank, Bridge, Cosine, Dot, InputError, NegativeL2, NegativeSquaredL2
from ucl.core.readers import as_rows
from ucl.distilled.reranking import Reranker

CRITICS = [Cosine(60.0), Cosine(3.0), Dot(2.0), NegativeL2(9.0), NegativeSquaredL2(7.0)]


@pytest.mark.parametrize("critic", CRITICS, ids=lambda critic: f"{critic.name}-{critic.scale}")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("tolerance", [0.5, 0.01, 1e-6])
@pytest.mark.parametrize("normalize", [False, True])
def test_scores_are_within_their_bound_and_that_within_the_tolerance(critic, dtype, tolerance, normalize) -> None:
    a, c, b1, b2 = draw(6, 5).to(dtype), draw(40, 3, seed=1).to(dtype), draw(900, 5, seed=2), draw(900, 3, seed=3)
    other = Cosine(18.6)
    b1, b2 = b1.to(dtype), b2.to(dtype)
    result = Bridge(critic, other, Bank(b1, b2), normalize=normalize).score(a, c, tolerance=tolerance)
    exact = truth(critic, other, a, c, b1, b2)
    if normalize:
        sides = (torch.logsumexp(similarity(*side), 1) - math.log(900) for side in ((critic, a, b1), (other, c, b2)))
        exact = exact - next(sides)[:, None] - next(sides)
    slack = 1e-5 if dtype == torch.float32 else 1e-9  # of the answer's own precision
    assert ((result.scores.double() - exact).abs() <= result.bound.double() + slack).all()
    assert (result.bound <= tolerance).all()
    assert result.bank_size == 900
    assert (result.samples <= 900).all()


@pytest.mark.parametrize("scales", [(200.0, 200.0), (200.0, 4.0), (4.0, 200.0)])
@pytest.mark.parametrize("normalize", [False, True])
def test_a_sharp_critic_reads_few_samples(scales, normalize) -> None:
    """Whichever side is the sharp one."""
    b = draw(5000, 4, seed=2).float()
    bridge = Bridge(*(NegativeSquaredL2(scale) for scale in scales), Bank(b), normalize=normalize)
    a, c = b[:5] + 0.01 * draw(5, 4).float(), b[:7]
    result = bridge.score(a, c, tolerance=0.01)
    assert result.samples.double().mean() < 2500
    assert result.samples.shape == (5, 7)
    assert ((result.scores - bridge.score(a, c).scores).abs() <= 0.01 + 1e-5).all()


@pytest.mark.parametrize("normalize", [False, True])
def test_hard_banks(normalize) -> None:
    """Far maxima, one heavy sample, repeats, weights: the certificate must send these to the whole bank."""
    b = torch.cat([torch.eye(8), -torch.eye(8), torch.eye(8).repeat(20, 1)])
    weights = torch.ones(len(b))
    weights[0] = 1e9
    for scales in ((100.0, 100.0), (400.0, 400.0), (10.0, 400.0)):
        for given in (None, weights):
            critics = [Cosine(scale) for scale in scales]
            bridge = Bridge(*critics, Bank(b, weights=given), normalize=normalize, dtype="float64")
            for a, c in ((torch.eye(8), -torch.eye(8)), (torch.eye(8), torch.eye(8).flip(0))):
                found, exact = bridge.score(a, c, tolerance=0.01), bridge.score(a, c).scores
                assert ((found.scores - exact).abs() <= 0.01).all()


@pytest.mark.parametrize("scales", [(80.0, 20.0), (20.0, 80.0)])
@pytest.mark.parametrize("normalize", [False, True])
def test_the_best_are_certified_without_the_rest(scales, normalize) -> None:
    b = draw(3000, 6, seed=2).float()
    bridge = Bridge(*(Cosine(scale) for scale in scales), Bank(b), normalize=normalize)
    a, c = draw(1, 6).float(), draw(500, 6, seed=1).float()
    pruning = bridge.pruning(0.01)
    scores, bound, samples = pruning.score(a, pruning.ready(c, pruning.survey(c)), best=5)
    assert samples.double().mean() < 1500
    exact = bridge.score(a, c).scores[0]
    top = exact.topk(5).indices
    assert set(top.tolist()) == set(scores.where(bound <= 0.01, -torch.inf).topk(5).indices.tolist())


def test_wrong_use_is_told() -> None:
    b = draw(50, 4)
    with pytest.raises(InputError, match=r"positive and finite, in nats: got -1\.0"):
        Bridge(Cosine(2.0), Cosine(2.0), Bank(b), normalize=False).score(b, b, tolerance=-1.0)


@pytest.mark.parametrize("weighted", [False, True])
def test_query_vectors_are_the_weighted_mean_of_the_bank(weighted, monkeypatch) -> None:
    monkeypatch.setattr("ucl.core.barycentre.block_size", lambda rows: 7)
    a, b1, b2 = draw(4, 5), draw(60, 5, seed=1), draw(60, 3, seed=2)
    weights = draw(60, seed=3).exp() if weighted else None
    for bc in (Cosine(3.0), Dot(3.0)):
        bridge = Bridge(NegativeL2(4.0), bc, Bank(b1, b2, weights=weights), normalize=False)
        share = torch.softmax(similarity(NegativeL2(4.0), a, b1) + (0 if weights is None else weights.log()), 1)
        seen = torch.nn.functional.normalize(b2, dim=1) if isinstance(bc, Cosine) else b2
        torch.testing.assert_close(bridge.query_vectors(a), share @ seen)
    assert bridge.query_vectors(a.numpy()).shape == (4, 3)


@pytest.mark.parametrize("side", ["a", "c"])
def test_queries_in_float64_beyond_float32_are_scored_over_a_bank_in_float32(side) -> None:
    """They were taken to float32 before they were taken to norm one, and became NaN."""
    a, c, b = draw(3, 5), draw(4, 5, seed=1), draw(300, 5, seed=2).float()
    bridge = Bridge(Cosine(9.0), Cosine(5.0), Bank(b), normalize=False)
    huge = {"a": (a * 1e200, c), "c": (a, c * 1e200)}[side]
    result = bridge.score(*huge, tolerance=0.01)
    exact = truth(Cosine(9.0), Cosine(5.0), a, c, b, b)
    assert ((result.scores - exact).abs() <= result.bound + 1e-9).all()


def test_scores_beyond_float64_are_refused() -> None:
    a, b = draw(3, 5) * 1e200, draw(300, 5, seed=2) * 1e200
    with pytest.raises(InputError, match=r"scores under the dot critic must be within the range of float64"):
        Bridge(Dot(1.0), Dot(1.0), Bank(b)).score(a, a, tolerance=0.01)


@pytest.mark.parametrize("critic", [Dot(1.0), NegativeL2(1.0), NegativeSquaredL2(1.0)], ids=lambda critic: critic.name)
@pytest.mark.parametrize("size", [1e3, 1e6, 1e8, 1e16])
@pytest.mark.parametrize("normalize", [False, True])
def test_where_float64_itself_rounds_the_bound_says_so(critic, size, normalize) -> None:
    """Scores of 1e32 are off by 1e16 nats; they were given with a bound of 0. The oracle has 200 bits."""
    a, c, b1, b2 = size * draw(2, 5), draw(3, 4, seed=1), size * draw(30, 5, seed=2), draw(30, 4, seed=3)
    bridge = Bridge(critic, Dot(2.0), Bank(b1, b2), normalize=normalize)
    result = bridge.score(a, c, tolerance=0.01)
    with mpmath.workprec(200):
        s, t = exact_scores(critic, a, b1), exact_scores(Dot(2.0), c, b2)
        for i, own in enumerate(s):
            for j, others in enumerate(t):
                expected = log_mean([x + y for x, y in zip(own, others, strict=True)])
                expected -= (log_mean(own) + log_mean(others)) if normalize else 0
                assert abs(expected - float(result.scores[i, j])) <= float(result.bound[i, j]) * (1 + 1e-12)
    assert ((result.bound <= 0.01) | (result.samples == 30)).all()


def exact_scores(critic, x, y):
    """Scores in mpmath's precision."""

    def score(p, q):
        if critic.name == "dot":
            return sum(u * v for u, v in zip(p, q, strict=True))
        square = sum((u - v) ** 2 for u, v in zip(p, q, strict=True))
        return -mpmath.sqrt(square) if critic.name == "l2" else -square / 2

    left, right = ([[mpmath.mpf(v) for v in row] for row in z.tolist()] for z in (x, y))
    return [[critic.number * score(p, q) for q in right] for p in left]


def log_mean(terms):
    top = max(terms)
    return top + mpmath.log(sum(mpmath.exp(term - top) for term in terms) / len(terms))


def test_an_index_is_put_in_order_where_nothing_is_within_the_tolerance() -> None:
    b = 1e9 * draw(60, 4, seed=2)
    bridge = Bridge(Dot(1.0), Dot(1.0), Bank(b), normalize=False)
    a, c = 1e9 * draw(1, 4), 1e9 * draw(40, 4, seed=1)
    everything = torch.arange(40)[None]
    found, scores = Reranker(bridge, 0.01, None)(a, as_rows(c, "c"), everything, 5)
    assert torch.isfinite(scores).all()
    assert torch.equal(found[0], bridge.score(a, c).scores[0].topk(5).indices)
