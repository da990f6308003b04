"""Samplers on the sphere against closed forms of their moments."""

import math

import numpy as np
import pytest
import torch
from scipy.special import beta, betaincinv, ive
from scipy.stats import kstest, vonmises_fisher

from ucl.runtime import generator
from ucl.statistics.sphere_laws import antipodal, cap, uniform_sphere, von_mises_fisher


@pytest.mark.parametrize("d", [2, 3, 16, 512])
def test_von_mises_fisher_has_the_bessel_mean(d):
    concentration = 2.0 * d**0.5
    points = von_mises_fisher(4000, d, concentration=concentration, generator=generator(d))
    expected = ive(d / 2, concentration) / ive(d / 2 - 1, concentration)
    # |mean|^2 of n points is |E|^2 + (1 - |E|^2) / n on average
    found = math.sqrt((points.sum(0).square().sum() - 4000) / (4000 * 3999))
    assert found == pytest.approx(expected, abs=0.02)
    torch.testing.assert_close(points.norm(dim=-1), torch.ones(4000), atol=1e-5, rtol=0)


def test_von_mises_fisher_matches_scipy():
    ours = von_mises_fisher(3000, 5, concentration=7.0, generator=generator(1)).double().numpy()
    pole = ours.mean(0) / np.linalg.norm(ours.mean(0))
    theirs = vonmises_fisher(pole, 7.0, seed=1).rvs(3000)
    assert kstest(ours @ pole, theirs @ pole).pvalue > 0.001


@pytest.mark.parametrize("d", [2, 8, 1024])
def test_cap_has_the_mean_of_its_truncated_law(d):
    mass, n = 0.3, 4000
    points = cap(n, d, mass=mass, generator=generator(2, d))
    height = 1 - 2 * betaincinv((d - 1) / 2, (d - 1) / 2, mass)
    mean = (1 - height**2) ** ((d - 1) / 2) / ((d - 1) * beta(0.5, (d - 1) / 2) * mass)
    found = math.sqrt((points.sum(0).square().sum() - n) / (n * (n - 1)))
    assert found == pytest.approx(mean, rel=0.05)
    if d == 2:  # an arc: no two points farther apart than its ends
        assert float((points @ points.T).min()) >= math.cos(2 * math.pi * mass) - 1e-3


def test_antipodal_has_no_mean_but_an_axis():
    points = antipodal(4000, 8, concentration=20.0, generator=generator(3))
    moment = points.T @ points / 4000
    assert points.mean(0).norm() < 5 / math.sqrt(4000)
    assert torch.linalg.eigvalsh(moment)[-1] > 0.5


def test_seeds_decide():
    same = [uniform_sphere(3, 4, generator=generator(5)) for _ in range(2)]
    assert torch.equal(*same)
    assert not torch.equal(same[0], uniform_sphere(3, 4, generator=generator(6)))
