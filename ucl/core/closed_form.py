"""Lemmas 2 and 3: the bridge's expectation in closed form, where B's representations are uniform or Gaussian.

Both in log space, for any dimension up to 4,096 and beyond, and any scale.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from numpy.polynomial import Polynomial
from torch import Tensor

from ucl.core.critics import Cosine, accurate_squared_distances

__all__ = ["gaussian_log_ratio", "log_mean_exp_on_sphere", "uniform_log_ratio"]

LARGE_ORDER = 20.0  # from this order of the Bessel function on, the uniform (Debye) expansion is used
TERMS = 12


def uniform_log_ratio(
    a: Float[Tensor, "n d"], c: Float[Tensor, "k d"], scale_ab: float, scale_bc: float
) -> Float[Tensor, "n k"]:
    """Lemma 2 for any two temperatures: log E exp(scale_ab <a, b> + scale_bc <b, c>), b uniform on the unit sphere.

    Rows of `a` and `c` are normalised. The answer depends on k = |scale_ab a + scale_bc c| alone, which is computed
    from |a + c|^2, without cancellation where a and c are nearly opposite. Float64.
    """
    x, y = Cosine.represent(a.double()), Cosine.represent(c.double())
    opposite = accurate_squared_distances(x, -y)
    k = ((scale_ab - scale_bc) ** 2 + scale_ab * scale_bc * opposite).sqrt()
    return torch.from_numpy(log_mean_exp_on_sphere(k.cpu().numpy(), a.shape[1])).to(a.device)


def log_mean_exp_on_sphere(k: Float[np.ndarray, "*s"], d: int) -> Float[np.ndarray, "*s"]:
    """log E exp(k <b, e>) for b uniform on the sphere S^(d-1) and any unit vector e: log of 0F1(d/2; k^2/4).

    That is log( Gamma(d/2) (2/k)^(d/2-1) I_(d/2-1)(k) ), zero at k = 0 and about k - (d-1)/2 log k for large k.
    """
    k = np.asarray(k, dtype=np.float64)
    out = np.empty_like(k)
    nu = d / 2 - 1
    small = k * k < d  # the power series is at its best: it converges within few terms, relative error and all
    out[small] = _series(k[small], d)
    rest = k[~small]
    steps = max(0, math.ceil(LARGE_ORDER - nu))
    value, ratio = _debye(rest, nu + steps)
    for order in range(steps, 0, -1):  # down to nu by I_(m-1) = I_(m+1) + 2m/k I_m: every term is positive
        m = nu + order
        value += np.log1p(rest * ratio / (2 * m))
        ratio = rest / (2 * m + rest * ratio)
    out[~small] = value
    return out


def gaussian_log_ratio(
    a: Float[Tensor, "n d"], c: Float[Tensor, "k d"], sd: float, scale_ab: float = 1.0, scale_bc: float = 1.0
) -> Float[Tensor, "n k"]:
    """Lemma 3: log E exp(-scale_ab |a-b|^2/2 - scale_bc |b-c|^2/2), b ~ N(0, sd^2 I), for any two scales. Float64.

    With s and t the scales: -d/2 log(1 + (s+t) sd^2) - st/(s+t) |a-c|^2/2 - |s a + t c|^2 / (2 (s+t)(1 + (s+t) sd^2)),
    all of one sign. At s = t = 1 it tends to -|a-c|^2/4 and a constant as sd grows.
    """
    x, y = a.double(), c.double()
    both = scale_ab + scale_bc
    spread = 1 + both * sd**2
    apart = accurate_squared_distances(x, y) * (scale_ab * scale_bc / both)
    outward = accurate_squared_distances(scale_ab * x, -scale_bc * y) / (both * spread)
    return -(apart + outward) / 2 - a.shape[1] / 2 * math.log(spread)


def _series(k: Float[np.ndarray, " s"], d: int) -> Float[np.ndarray, " s"]:
    """log 0F1(d/2; k^2/4) by its power series, for k^2 < d: terms fall at least as fast as (1/2)^j / j!."""
    term, total = np.ones_like(k), np.zeros_like(k)
    for j in range(1, 20):
        term = term * (k * k / 4) / (j * (d / 2 + j - 1))
        total += term
    return np.log1p(total)


def _debye_polynomials(terms: int) -> tuple[list[Polynomial], list[Polynomial]]:
    """U_j of the uniform expansion of I_nu(nu z) (DLMF 10.41.9), and (U_j - V_j) / (p (1 - p^2)), V_j for I_nu'."""
    p, values, slopes = Polynomial([0, 1]), [Polynomial([1])], [Polynomial([0])]
    for _ in range(terms):
        u = values[-1]
        values.append(p**2 * (1 - p**2) * u.deriv() / 2 + ((1 - 5 * p**2) * u).integ() / 8)
        slopes.append(u / 2 + p * u.deriv())
    return values, slopes


DEBYE, DEBYE_SLOPES = _debye_polynomials(TERMS)
# Stirling's series of log Gamma(nu + 1) - (nu log nu - nu + log(2 pi nu) / 2), in odd powers of 1 / nu (DLMF 5.11.1).
STIRLING = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156]


def _debye(k: Float[np.ndarray, " s"], nu: float) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, " s"]]:
    """Large orders: log 0F1(nu + 1; k^2/4) and I_(nu+1)(k) / I_nu(k) by the uniform expansion (DLMF 10.41.3, 10.41.5).

    The large terms nu log nu and log Gamma cancel exactly, joined with Stirling's by hand, which leaves
    nu (w - 1 - log((1 + w) / 2)) with w = sqrt(1 + z^2). The ratio is I_nu'/I_nu - 1/z, again without what cancels.
    """
    z = k / nu
    w = np.hypot(1, z)
    excess = z * (z / (1 + w))  # w - 1, also where z is small
    sums = sum(DEBYE[j](1 / w) / nu**j for j in range(1, TERMS + 1))
    slopes = sum(DEBYE_SLOPES[j](1 / w) / nu**j for j in range(1, TERMS + 1))
    stirling = sum(coefficient / nu ** (2 * i + 1) for i, coefficient in enumerate(STIRLING))
    value = nu * (excess - np.log1p(excess / 2)) - np.log(w) / 2 + np.log1p(sums) + stirling
    return value, z / (1 + w) - z / w**2 * slopes / (1 + sums)
