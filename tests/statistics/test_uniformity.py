"""Each test against an independent oracle: textbook limits, written-out loops, quadrature, simulation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta, chi2, ks_2samp, kstest

from ucl.errors import InputError
from ucl.runtime import generator
from ucl.statistics.normality import GAUSSIAN_TESTS, _gaussian_null, gaussianity
from ucl.statistics.sphere_laws import antipodal, uniform_sphere, von_mises_fisher
from ucl.statistics.uniformity import (
    SPHERE_TESTS,
    _kernel_mean,
    _kernel_moments,
    _kernel_spectrum,
    alignment,
    anchor_log_means,
    bingham,
    coordinate_ks,
    kernel_mmd,
    published_ks,
    rayleigh,
    sphericity,
    uniformity,
)


def sphere(*shape, key=0):
    return uniform_sphere(*shape, generator=generator(key, *shape))


# --- the sphere --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [2, 5, 40])
def test_rayleigh_and_bingham_meet_their_chi_squared_limits(d):
    n = 5000
    x = von_mises_fisher(12, n, d, concentration=0.02 * d, generator=generator(d)).double()
    x = torch.nn.functional.normalize(x, dim=-1)
    textbook = chi2.sf(n * d * x.mean(-2).square().sum(-1).numpy(), d)
    np.testing.assert_allclose(rayleigh(x).p_value, textbook, atol=2e-3)
    moment = x.mT @ x / n
    statistic = n * d * (d + 2) / 2 * (moment.square().sum((-2, -1)) - 1 / d)
    np.testing.assert_allclose(bingham(x).p_value, chi2.sf(statistic.numpy(), (d - 1) * (d + 2) / 2), atol=4e-3)


@pytest.mark.parametrize("d", [2, 3, 8, 64, 512])
def test_kernel_moments_against_quadrature(d):
    width = math.sqrt(d)
    log_norm = math.lgamma(d / 2) - math.lgamma((d - 1) / 2) - math.log(math.pi) / 2

    def expect(power):  # over the angle to a fixed point
        def integrand(t):
            return math.exp(log_norm + power * width * math.cos(t) + (d - 2) * math.log(max(math.sin(t), 1e-300)))

        return quad(integrand, 0, math.pi, limit=200)[0]

    one, two, three = expect(1), expect(2), expect(3)
    assert _kernel_mean(d, width) == pytest.approx(one, rel=1e-8)
    moments = _kernel_moments(d, width)
    assert moments.second == pytest.approx(two - one**2, rel=1e-6)
    assert moments.third == pytest.approx(three - 3 * one * two + 2 * one**3, rel=1e-6)


@pytest.mark.parametrize("d", [2, 3, 8, 64])
def test_kernel_spectrum_sums_to_the_trace_and_to_the_second_moment(d):
    eigenvalues, counts = _kernel_spectrum(d, math.sqrt(d))
    assert (counts * eigenvalues).sum() == pytest.approx(math.exp(math.sqrt(d)), rel=1e-9)
    assert (counts * eigenvalues**2).sum() == pytest.approx(_kernel_mean(d, 2 * math.sqrt(d)), rel=1e-9)


@pytest.mark.parametrize("name", ["rayleigh", "bingham", "kernel_mmd"])
@pytest.mark.parametrize(("n", "d"), [(4, 2), (5, 3), (12, 6)])
def test_the_statistic_is_standardised_even_for_few_points(name, n, d):
    z = SPHERE_TESTS[name](sphere(100_000, n, d, key=7)).statistic
    assert abs(z.mean()) < 0.016
    assert abs(z.var() - 1) < 0.05


@pytest.mark.parametrize("d", [2, 8, 64])
@pytest.mark.parametrize("name", list(SPHERE_TESTS))
def test_size_is_five_percent(name, d):
    p = SPHERE_TESTS[name](sphere(2000, 60, d, key=11)).p_value
    assert abs((p < 0.05).double().mean() - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 2000)


def test_rayleigh_rejects_what_the_published_reading_passes():
    x = von_mises_fisher(632, 512, concentration=50.0, generator=generator(50))
    assert float(rayleigh(x).p_value) < 1e-10
    assert float(published_ks(x, generator=generator(51))) > 0.2
    # the same distances, combined into a proper test, do reject
    assert float(coordinate_ks(x).p_value) < 1e-3


def test_antipodal_mixture_is_seen_by_bingham_and_the_kernel_only():
    x = antipodal(300, 16, concentration=10.0, generator=generator(1))
    outcomes = sphericity(x)
    assert float(outcomes["rayleigh"].p_value) > 0.01
    assert float(outcomes["bingham"].p_value) < 1e-6
    assert float(outcomes["kernel_mmd"].p_value) < 1e-6


def test_effects_of_the_extremes():
    pole = torch.eye(4)[:1]
    line = torch.cat([pole, -pole]).repeat(500, 1)
    assert float(rayleigh(pole.expand(10, 4)).effect) == pytest.approx(1)
    assert float(rayleigh(line).effect) == 0
    assert float(bingham(line).effect) == pytest.approx(1, abs=1e-4)
    assert float(kernel_mmd(pole.expand(10, 4)).effect) == pytest.approx(2 - math.log(_kernel_mean(4, 2.0)))


def test_coordinate_ks_against_scipy_per_coordinate():
    x = sphere(50, 6).double()
    theirs = [kstest(x[:, i].numpy(), beta(2.5, 2.5, -1, 2).cdf, method="exact") for i in range(6)]
    outcome = coordinate_ks(x)
    assert float(outcome.statistic) == pytest.approx(max(t.statistic for t in theirs), abs=1e-7)
    assert float(outcome.p_value) == pytest.approx(1 - (1 - min(t.pvalue for t in theirs)) ** 6, abs=1e-6)


def test_published_ks_against_scipy():
    x, reference = sphere(400, 5, key=1), uniform_sphere(400, 5, generator=generator(9))
    theirs = [ks_2samp(x[:, i].numpy(), reference[:, i].numpy(), method="asymp").pvalue for i in range(5)]
    assert float(published_ks(x, generator=generator(9))) == pytest.approx(np.mean(theirs), abs=0.02)


@given(st.integers(3, 20), st.integers(2, 12), st.integers(0, 1000))
@settings(max_examples=30)
def test_pair_tests_do_not_depend_on_the_axes(n, d, key):
    x = sphere(n, d, key=key).double()
    x = torch.nn.functional.normalize(x, dim=-1)
    rotation = torch.linalg.qr(torch.randn(d, d, generator=generator(key), dtype=torch.float64)).Q
    for test in (rayleigh, bingham, kernel_mmd):
        outcome, turned = test(x), test((x @ rotation).flip(0))
        torch.testing.assert_close(outcome.p_value, turned.p_value, atol=1e-7, rtol=1e-6)
        assert 0 <= float(outcome.p_value) <= 1


def test_bad_input_is_told_in_one_line():
    with pytest.raises(InputError, match="unit norm"):
        rayleigh(torch.ones(4, 3))
    with pytest.raises(InputError, match="at least 3 points"):
        bingham(torch.eye(2))
    with pytest.raises(InputError, match="project first"):
        gaussianity(torch.eye(5))
    with pytest.raises(InputError, match="singular"):
        gaussianity(torch.ones(9, 2))


# --- Gaussian ----------------------------------------------------------------------------------------------------


def test_gaussian_statistics_against_loops():
    n, d = 15, 3
    x = torch.randn(n, d, generator=generator(2), dtype=torch.float64) ** 3
    points = x.numpy() - x.numpy().mean(0)
    inverse = np.linalg.inv(points.T @ points / n)
    g = [[float(p @ inverse @ q) for q in points] for p in points]
    b2 = ((2 * d + 1) * n / 4) ** (2 / (d + 4)) / 2
    pairs = sum(math.exp(-b2 / 2 * (g[i][i] + g[j][j] - 2 * g[i][j])) for i in range(n) for j in range(n))
    single = sum(math.exp(-b2 / (2 * (1 + b2)) * g[i][i]) for i in range(n))
    henze_zirkler = n * (pairs / n**2 - 2 * (1 + b2) ** (-d / 2) * single / n + (1 + 2 * b2) ** (-d / 2))
    outcomes = gaussianity(x, draws=19)
    assert float(outcomes["mardia_skewness"].statistic) == pytest.approx(sum(v**3 for row in g for v in row) / n**2)
    assert float(outcomes["mardia_kurtosis"].statistic) == pytest.approx(sum(g[i][i] ** 2 for i in range(n)) / n)
    ours = float(outcomes["henze_zirkler"].statistic) * (1 + 2 * b2) ** (-d / 2) + 1 + n * (1 + 2 * b2) ** (-d / 2)
    assert ours == pytest.approx(henze_zirkler)


@pytest.mark.parametrize(("n", "d"), [(30, 4), (30, 24), (80, 64)])
def test_null_draws_have_mardias_exact_moments(n, d):
    null = _gaussian_null(n, d, 4000)
    mean = d * (d + 2) * (n - 1) / (n + 1)
    variance = 8 * d * (d + 2) * (n - 3) * (n - d - 1) * (n - d + 1) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    assert abs(null[1].mean() - mean) < 4 * math.sqrt(variance / 4000)
    assert null[1].var() == pytest.approx(variance, rel=0.15)
    skewness = d * (d + 2) * ((n + 1) * (d + 1) - 6) / ((n + 1) * (n + 3))
    assert abs(null[0].mean() - skewness) < 4 * null[0].std() / math.sqrt(4000)


@pytest.mark.parametrize(("n", "d"), [(60, 2), (60, 8), (80, 64)])
def test_gaussian_sizes_are_five_percent_on_fresh_data(n, d):
    scale = torch.rand(d, d, generator=generator(d)) + torch.eye(d)
    outcomes = gaussianity(torch.randn(2000, n, d, generator=generator(1, n, d)) @ scale + 3, draws=4000)
    for name in GAUSSIAN_TESTS:
        size = (outcomes[name].p_value <= 0.05).double().mean()
        assert abs(size - 0.05) < 4 * math.sqrt(0.05 * 0.95 * (1 / 2000 + 1 / 4000)), name


def test_gaussian_tests_have_power():
    x = torch.randn(200, 8, generator=generator(3))
    skewed = x.exp()
    heavy = x / torch.rand(200, 1, generator=generator(4)).sqrt()
    modes = x + 6 * torch.randint(2, (200, 1), generator=generator(5)) * torch.eye(8)[0]
    assert float(gaussianity(skewed)["mardia_skewness"].p_value) == pytest.approx(0.001)
    assert float(gaussianity(heavy)["mardia_kurtosis"].effect) > 0.5
    assert float(gaussianity(modes)["henze_zirkler"].p_value) < 0.05


# --- representations ---------------------------------------------------------------------------------------------


def test_alignment_and_uniformity_by_hand():
    x = torch.tensor([[1.0, 0.0], [-2.0, 0.0]])
    assert float(uniformity(x)) == pytest.approx(-8.0)  # the one pair is 2 apart
    assert float(alignment(x, torch.tensor([[0.0, 3.0], [-1.0, 0.0]]))) == pytest.approx((2 + 0) / 2)


def test_uniformity_of_uniform_points_is_its_closed_form():
    assert float(uniformity(sphere(3000, 8))) == pytest.approx(math.log(_kernel_mean(8, 4.0)) - 4, abs=0.02)


def test_anchor_log_means_of_a_density_ratio_is_zero():
    # f = log of a discrete ratio p(a, b) / (p(a) p(b)) with uniform b: each row of exp f averages to 1
    joint = torch.tensor([[0.1, 0.3, 0.1], [0.2, 0.05, 0.25]], dtype=torch.float64)
    joint = joint / joint.sum(0) / 3
    ratio = joint / (joint.sum(1, keepdim=True) * joint.sum(0))
    torch.testing.assert_close(anchor_log_means(ratio.log()), torch.zeros(2, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(anchor_log_means(ratio.log() + 2), torch.full((2,), 2.0, dtype=torch.float64))
