"""The shape of a tail against draws from known laws, scipy's likelihood and a fit written the long way."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import genpareto

from ucl.core.pareto import TRUSTED, excess_shape, pareto_shape


def long_fit(excess):
    """Zhang and Stephens (2009) and Vehtari et al. (2024), one number at a time, for ascending values."""
    n = len(excess)
    points = 30 + math.isqrt(n)
    quartile = excess[int(n / 4 + 0.5) - 1]
    thetas, likelihoods = [], []
    for j in range(1, points + 1):
        theta = 1 / excess[-1] + (1 - math.sqrt(points / (j - 0.5))) / (3 * quartile)
        k = sum(math.log1p(-theta * x) for x in excess) / n
        thetas.append(theta)
        likelihoods.append(n * (math.log(-theta / k) - k - 1))
    weights = [1 / sum(math.exp(other - own) for other in likelihoods) for own in likelihoods]
    theta = sum(w * t for w, t in zip(weights, thetas, strict=True)) / sum(weights)
    k = sum(math.log1p(-theta * x) for x in excess) / n
    return (n * k + 5) / (n + 10)


@pytest.mark.parametrize("k", [-0.4, 0.1, 0.5, 0.9, 1.5])
@pytest.mark.parametrize("n", [5, 40, 300])
def test_fit_is_the_published_one(k, n):
    excess = np.sort(genpareto(k, scale=3.0).rvs(n, random_state=n))
    assert float(excess_shape(torch.from_numpy(excess)[None])) == pytest.approx(long_fit(excess.tolist()), abs=1e-9)


@pytest.mark.parametrize("k", [0.0, 0.3, 0.7, 1.2])
def test_shape_of_draws_from_a_known_law(k):
    excess = np.sort(genpareto(k).rvs((200, 2000), random_state=1))
    found = excess_shape(torch.from_numpy(excess))
    assert float(found.mean()) == pytest.approx(k, abs=0.02)
    likely = [genpareto.fit(row, floc=0)[0] for row in excess[:5]]
    np.testing.assert_allclose(found[:5].numpy(), likely, atol=0.03)


def test_weights_with_a_power_tail_have_its_shape():
    """1 / u^k has a tail of shape k, whatever the constant, in any leading dimensions."""
    generator = torch.Generator().manual_seed(0)
    u = torch.rand(2, 50, 10_000, generator=generator, dtype=torch.float64)
    k = torch.tensor([0.2, 1.0], dtype=torch.float64)
    found = pareto_shape(-k[:, None, None] * u.log() + 40)
    assert found.shape == (2, 50)
    torch.testing.assert_close(found.mean(-1), k, atol=0.05, rtol=0)
    # ten values of shape .5 draw towards .5: a tail of 300 moves by a thirtieth of the way
    assert float(found[0].max()) < 0.5
    assert float(found[1].min()) > TRUSTED


def test_scores_too_far_apart_are_not_trusted_and_flat_ones_are():
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(4, 3000, generator=generator)
    assert bool((pareto_shape(20 * scores) > TRUSTED).all())
    assert bool((pareto_shape(0.1 * scores) < 0.5).all())


def test_order_constant_and_precision_do_not_matter():
    generator = torch.Generator().manual_seed(2)
    scores = torch.randn(3, 500, generator=generator, dtype=torch.float64)
    shuffled = scores[:, torch.randperm(500, generator=generator)] - 1e4
    torch.testing.assert_close(pareto_shape(scores), pareto_shape(shuffled), atol=1e-8, rtol=0)
    assert pareto_shape(scores.float()).dtype == torch.float64


def test_tails_without_a_shape():
    assert pareto_shape(torch.zeros(2, 20)).tolist() == [math.inf, math.inf]  # a tail of 4
    assert pareto_shape(torch.zeros(2, 1000)).tolist() == [-math.inf, -math.inf]
    assert pareto_shape(torch.zeros(0, 1000)).shape == (0,)
    alone = torch.full((1, 1000), -1e4)
    alone[0, 7] = 0
    assert float(pareto_shape(alone)) > TRUSTED  # all other weights vanish beside one
