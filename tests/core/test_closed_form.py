"""Lemmas 2 and 3 against mpmath, quadrature and Monte Carlo through the bridge."""

import math

import mpmath
import numpy as np
import pytest
import torch
from bridge_oracle import draw
from hypothesis import given, settings
from hypothesis import strategies as st

from ucl import Bank, Bridge, Cosine, NegativeSquaredL2
from ucl.core.closed_form import gaussian_log_ratio, log_mean_exp_on_sphere, uniform_log_ratio


def exact(k: float, d: int) -> mpmath.mpf:
    """The definition, in 60 digits."""
    with mpmath.workdps(60):
        x = mpmath.mpf(k)
        nu = mpmath.mpf(d) / 2 - 1
        if x == 0:
            return mpmath.mpf(0)
        return mpmath.log(mpmath.besseli(nu, x, maxterms=10**6)) + mpmath.loggamma(nu + 1) + nu * mpmath.log(2 / x)


@pytest.mark.parametrize("d", [1, 2, 3, 8, 41, 42, 43, 128, 1024, 4096])
def test_sphere_against_mpmath(d) -> None:
    sizes = [1e-8, 1e-3, 0.5, math.sqrt(d) * 0.999, math.sqrt(d) * 1.001, 20.0, 118.6, 1e3, 9e4, 1.1e5, 1e7]
    ours = log_mean_exp_on_sphere(np.array([0.0, *sizes]), d)
    assert ours[0] == 0
    for k, value in zip(sizes, ours[1:], strict=True):
        expected = exact(k, d)
        assert abs(value - expected) <= 1e-13 * max(abs(expected), 1e-3 * k if k > 1e4 else 0), (d, k)


@settings(max_examples=60)
@given(d=st.integers(2, 4096), log_k=st.floats(-6, 6, allow_subnormal=False))
def test_sphere_anywhere_against_mpmath(d, log_k) -> None:
    k = 10**log_k
    expected = exact(k, d)
    assert abs(float(log_mean_exp_on_sphere(np.array([k]), d)[0]) - expected) <= 2e-13 * abs(expected) + 1e-15 * k


def test_in_three_dimensions_it_is_sinh_over_k() -> None:
    k = np.array([0.1, 1.0, 10.0, 300.0])
    assert np.allclose(log_mean_exp_on_sphere(k, 3), k + np.log1p(-np.exp(-2 * k)) - np.log(2 * k), rtol=1e-14)


def test_lemma_2_is_what_the_bridge_tends_to() -> None:
    a, c = draw(4, 6), draw(5, 6, seed=1)
    bank = torch.nn.functional.normalize(draw(200_000, 6, seed=2), dim=1)
    result = Bridge(Cosine(3.0), Cosine(2.0), Bank(bank), normalize=False).score(a, c)
    difference = (result.scores - uniform_log_ratio(a, c, 3.0, 2.0)).abs()
    assert (difference <= 4.5 * result.standard_error).all()
    assert difference.max() > 0


def test_lemma_2_grows_with_the_inner_product_and_survives_opposites() -> None:
    angle = torch.linspace(0, math.pi, 50, dtype=torch.float64)
    c = torch.stack([angle.cos(), angle.sin()], 1)
    for scales in ((100.0, 100.0), (100.0, 18.6), (1.0, 1e-3)):
        ratio = uniform_log_ratio(c[:1], c, *scales)[0]
        assert (ratio.diff() < 0).all()
    with mpmath.workdps(40):
        k = mpmath.sqrt(2 + 2 * mpmath.cos(mpmath.pi - mpmath.mpf(1e-6))) * 1000
    near = torch.tensor([[-math.cos(1e-6), math.sin(1e-6)]], dtype=torch.float64)
    value = float(uniform_log_ratio(torch.tensor([[1.0, 0.0]], dtype=torch.float64), near, 1000.0, 1000.0))
    assert value == pytest.approx(float(exact(float(k), 2)), rel=1e-9)


@pytest.mark.parametrize("sd", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("scales", [(1.0, 1.0), (2.0, 0.3)])
def test_lemma_3_against_quadrature(sd, scales) -> None:
    """In one dimension the expectation is an integral; in d it is a product of them."""
    a, c = draw(2, 2), draw(3, 2, seed=1)
    ours = gaussian_log_ratio(a, c, sd, *scales)
    for i in range(2):
        for j in range(3):
            total = mpmath.mpf(0)
            for x, y in zip(a[i].tolist(), c[j].tolist(), strict=True):
                total += mpmath.log(
                    mpmath.quad(
                        lambda b, x=x, y=y: mpmath.exp(
                            -scales[0] * (x - b) ** 2 / 2 - scales[1] * (y - b) ** 2 / 2 - b**2 / (2 * sd**2)
                        ),
                        [-mpmath.inf, -5, 0, 5, mpmath.inf],
                    )
                    / (sd * mpmath.sqrt(2 * mpmath.pi))
                )
            assert float(ours[i, j]) == pytest.approx(float(total), rel=1e-9)


def test_lemma_3_is_what_the_bridge_tends_to() -> None:
    a, c = draw(4, 3), draw(5, 3, seed=1)
    result = Bridge(
        NegativeSquaredL2(1.0), NegativeSquaredL2(1.0), Bank(0.7 * draw(100_000, 3, seed=2)), normalize=False
    ).score(a, c)
    difference = (result.scores - gaussian_log_ratio(a, c, 0.7)).abs()
    assert (difference <= 4.5 * result.standard_error).all()


def test_lemma_3_tends_to_a_quarter_of_the_squared_distance() -> None:
    a, c = draw(3, 4), draw(3, 4, seed=1)
    ratio = gaussian_log_ratio(a, c, 1e8)
    squares = (a[:, None] - c[None]).square().sum(-1)
    assert torch.allclose(ratio - ratio[0, 0], -(squares - squares[0, 0]) / 4, atol=1e-12)
