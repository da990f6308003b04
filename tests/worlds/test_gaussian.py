"""The exact scorer against SciPy's Gaussians, the covariance against samples."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from ucl.runtime import generator
from ucl.worlds.draws import streams
from ucl.worlds.gaussian import GaussianWorld, gaussian_log_ratio_given_b

DIMS = (4, 3, 5)


def world(shared_noise: float = 0.0) -> GaussianWorld:
    return GaussianWorld.at_random([generator(s, 0) for s in range(2)], DIMS, noise=0.7, shared_noise=shared_noise)


def joint(w: GaussianWorld, s: int, independent: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of (A, C), written out from the definition."""
    factor = w.factor[s].double().numpy()
    sigma = factor.T @ factor
    t = np.vstack([w.to_a[s].T.double().numpy(), w.to_c[s].T.double().numpy()])
    covariance = t @ sigma @ t.T + 0.7**2 * np.eye(9)
    shared = np.full((9, 9), w.shared_noise**2)
    if independent:
        shared[:4, 4:] = shared[4:, :4] = 0
    return t @ w.mean[s, 0].double().numpy(), covariance + shared


def test_exact_scorer_is_the_ratio_of_scipys_densities() -> None:
    for shared in (0.0, 1.5):
        w = world(shared)
        triples = w.sample(6, [generator(s, 1) for s in range(2)])
        for independent in (False, True):
            scores = w.log_ratio(triples.a, triples.c, assume_independent=independent)
            for s in range(2):
                mean, cov = joint(w, s, independent)
                density = multivariate_normal(mean, cov)
                left, right = multivariate_normal(mean[:4], cov[:4, :4]), multivariate_normal(mean[4:], cov[4:, 4:])
                for i in range(6):
                    for j in range(6):
                        a, c = triples.a[s, i].double().numpy(), triples.c[s, j].double().numpy()
                        expected = density.logpdf(np.concatenate([a, c])) - left.logpdf(a) - right.logpdf(c)
                        assert np.isclose(scores[s, i, j], expected, rtol=1e-9, atol=1e-9)


def test_samples_have_the_stated_moments() -> None:
    w = world(shared_noise=0.5)
    n = 200_000
    triples = w.sample(n, [generator(s, 2) for s in range(2)])
    for s in range(2):
        mean, cov = joint(w, s)
        ac = torch.cat([triples.a[s], triples.c[s]], 1).double().numpy()
        sd = np.sqrt(np.diag(cov))
        assert np.all(np.abs(ac.mean(0) - mean) < 5 * sd / np.sqrt(n))
        assert np.all(np.abs(np.cov(ac.T) - cov) < 8 * np.outer(sd, sd) / np.sqrt(n))


def test_the_ratio_integrates_to_one() -> None:
    """E over independent a, c of p(a, c) / (p(a) p(c)) is 1."""
    w = GaussianWorld.at_random([generator(0, 5)], (1, 1, 1), noise=1.0)
    a = w.sample(3000, [generator(0, 6)]).a
    c = w.sample(3000, [generator(0, 7)]).c
    ratio = w.log_ratio(a, c).exp()
    assert abs(float(ratio.mean()) - 1) < 0.05


def test_draws_of_a_seed_do_not_depend_on_other_seeds() -> None:
    one = GaussianWorld.at_random([generator(1, 0)], DIMS, noise=0.7)
    assert torch.equal(world().to_a[1], one.to_a[0])


def test_gaussian_ratio_given_b_against_densities():
    world = GaussianWorld.at_random(streams(1, "world"), (2, 2, 2), 0.7, 0.4)
    draws = world.sample(3, streams(1, "validation"))
    to = torch.cat([world.to_a[0], torch.eye(2), world.to_c[0]], 1).double()
    shared = torch.tensor([1.0, 1, 0, 0, 1, 1], dtype=torch.float64)
    own = torch.diag(shared) * 0.7**2
    covariance = to.T @ (world.factor[0].double().T @ world.factor[0].double()) @ to + own
    covariance += 0.4**2 * torch.outer(shared, shared)
    mean = world.mean[0, 0].double() @ to

    def log_density(x, keep):
        part = covariance[keep][:, keep]
        return torch.distributions.MultivariateNormal(mean[keep], part).log_prob(x[keep])

    found = gaussian_log_ratio_given_b(world, draws.a, draws.b, draws.c)[0]
    for i in range(3):
        for j in range(3):
            x = torch.cat([draws.a[0, i], draws.b[0, i], draws.c[0, j]]).double()
            pair, last = list(range(4)), [4, 5]
            expected = log_density(x, [*pair, *last]) - log_density(x, pair) - log_density(x, last)
            assert float(found[i, j]) == pytest.approx(float(expected), abs=1e-4)
