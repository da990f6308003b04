"""Is a marginal uniform on the sphere? Tests that keep their 5 % and have power (Assumption 3, section 6.2.2).

How each p-value is calibrated:

- `rayleigh`, `bingham`, `kernel_mmd` are sums over pairs of a function of the cosine. Under uniformity the cosines of
  different pairs are pairwise independent, so the sum's first three moments are exact for every n and d, and a Pearson
  III law with these moments gives the p-value. For n to infinity it is the classical chi-squared limit, for d to
  infinity as well the high-dimensional normal one (Paindaveine and Verdebout, 2016); in between it needs neither.
- `coordinate_ks` is exact per coordinate (the marginal is a known Beta law), combined by Sidak over the coordinates.

Effect sizes are 0 under the null but for noise, whatever n.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import betainc, gammaincc, gammaln, hyp0f1, kolmogorov
from scipy.stats import kstwo
from torch import Tensor

from ucl.core.exponential import log_sum_exp
from ucl.errors import InputError
from ucl.statistics.outcome import Outcome
from ucl.statistics.sphere_laws import uniform_sphere

__all__ = [
    "SPHERE_TESTS",
    "alignment",
    "anchor_log_means",
    "bingham",
    "coordinate_ks",
    "kernel_mmd",
    "published_ks",
    "rayleigh",
    "sphericity",
    "uniformity",
]


# --- uniform on the sphere ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _PairMoments:
    """Null moments of h(<x, y>) with mean zero: E h^2, E h^3, and E h(<x,y>) h(<y,z>) h(<z,x>)."""

    second: float
    third: float
    triangle: float


def rayleigh(x: Float[Tensor, "*s n d"]) -> Outcome:
    """Rayleigh's test: does the mean direction differ from zero? `x` has unit rows.

    Statistic: the standardised sum of the pairs' cosines. Effect: length of the mean vector, its square unbiased.
    """
    n, d = _points_on_sphere(x)
    total = (x.sum(-2).square().sum(-1) - n) / 2
    return _pair_outcome(total, n, _PairMoments(1 / d, 0.0, 1 / d**2), worst=1.0)


def bingham(x: Float[Tensor, "*s n d"]) -> Outcome:
    """Bingham's test: does the second moment differ from I/d? Sees axes, blind to means. `x` has unit rows.

    Effect: |E xx' - I/d|_F relative to a single axis (1), its square unbiased.
    """
    n, d = _points_on_sphere(x)
    gram = x @ x.mT if n <= d else x.mT @ x  # the two have the same Frobenius norm
    total = (gram.square().sum((-2, -1)) - n) / 2 - math.comb(n, 2) / d
    fourth, sixth = 3 / (d * (d + 2)), 15 / (d * (d + 2) * (d + 4))
    third = sixth - 3 * fourth / d + 2 / d**3
    triangle = (2 / (d * (d + 2))) ** 3 * (d - 1) * (d + 2) / 2
    return _pair_outcome(total, n, _PairMoments(fourth - 1 / d**2, third, triangle), worst=1 - 1 / d)


def kernel_mmd(x: Float[Tensor, "*s n d"]) -> Outcome:
    """Maximum mean discrepancy from the uniform law with the kernel `exp(sqrt(d) <x, y>)`. `x` has unit rows.

    The same Gaussian kernel, with another width, is Wang and Isola's uniformity loss. At this width the cosines of
    uniform points, sqrt(d) times, are about normal for every d, so that harmonics of order k keep the weight 1/k!:
    the test sees means, axes and what is beyond. Effect: log of the mean kernel relative to a uniform law, in nats.
    """
    n, d = _points_on_sphere(x)
    width = math.sqrt(d)
    mean, pairs = _kernel_mean(d, width), math.comb(n, 2)
    twice, rows = torch.zeros(x.shape[:-2], dtype=torch.float64), max(1, 2**22 // n)
    for i in range(0, n, rows):
        kernel = (width * x[..., i : i + rows, :] @ x.mT).exp()
        kernel.diagonal(offset=i, dim1=-2, dim2=-1).zero_()  # exp(sqrt(d)) would drown the rest
        twice += kernel.sum((-2, -1), dtype=torch.float64)
    outcome = _pair_outcome(twice / 2 - pairs * mean, n, _kernel_moments(d, width), worst=1.0)
    return replace(outcome, effect=(twice / (2 * pairs * mean)).log().clamp_min(0))


def coordinate_ks(x: Float[Tensor, "*s n d"]) -> Outcome:
    """Kolmogorov-Smirnov per coordinate against the exact marginal of a uniform point; Sidak over the coordinates.

    The smallest of d p-values makes a proper test of the paper's comparison (6.2.2), which has next to no power in
    high dimension. Statistic and effect: the largest distance, and what it exceeds sqrt(log(2d)/(2n)) by.
    """
    n, d = _points_on_sphere(x)
    cdf = _coordinate_cdf(_sorted(x.mT))
    steps = torch.arange(n + 1, dtype=torch.float64) / n
    distance = torch.maximum(steps[1:] - cdf, cdf - steps[:-1]).amax((-2, -1))
    smallest = kstwo.sf(distance.numpy(), n)
    p_value = -np.expm1(d * np.log1p(-np.minimum(smallest, 1 - 1e-16)))
    excess = (distance - math.sqrt(math.log(2 * d) / (2 * n))).clamp_min(0)
    return Outcome(distance, torch.as_tensor(p_value, dtype=torch.float64), excess)


SPHERE_TESTS: dict[str, Callable[[Tensor], Outcome]] = {
    "rayleigh": rayleigh,
    "bingham": bingham,
    "kernel_mmd": kernel_mmd,
    "coordinate_ks": coordinate_ks,
}


def sphericity(x: Float[Tensor, "*s n d"]) -> dict[str, Outcome]:
    """All tests of uniformity on the sphere; rows of any length are normalised first."""
    unit = torch.nn.functional.normalize(x, dim=-1)
    return {name: test(unit) for name, test in SPHERE_TESTS.items()}


def published_ks(x: Float[Tensor, "*s n d"], *, generator: torch.Generator) -> Float[Tensor, "*s"]:
    """The paper's reading (6.2.2): two-sample Kolmogorov-Smirnov per coordinate against as many uniform points.

    Returns the mean p over the coordinates. A mean p-value is no p-value: under uniformity it is near .5, and asking
    whether it is below .05 is a test with size 0.
    """
    n, _ = _points_on_sphere(x)
    reference = uniform_sphere(*x.shape, generator=generator).to(x)
    below = torch.searchsorted(_sorted(reference.mT), _sorted(x.mT))  # of the reference, per point of x
    own = torch.arange(n + 1)
    distance = torch.maximum(own[1:] - below, below - own[:-1]).amax(-1) / n
    return torch.as_tensor(kolmogorov(math.sqrt(n / 2) * distance.double().numpy())).mean(-1)


def _sorted(x: Float[Tensor, "*s d n"]) -> Float[Tensor, "*s d n"]:
    """Sorted along the last dimension: NumPy does so ten times faster than torch on a CPU."""
    return torch.from_numpy(np.sort(x.contiguous().numpy(), axis=-1))


def _coordinate_cdf(x: Float[Tensor, "*s d n"]) -> Float[Tensor, "*s d n"]:
    """Distribution of one coordinate of a uniform point, by a table in its angle: smooth there for every d."""
    d, cells = x.shape[-2], 20_000
    table = torch.from_numpy(betainc((d - 1) / 2, (d - 1) / 2, (1 + np.cos(np.linspace(0, np.pi, cells + 1))) / 2))
    position = x.double().clamp(-1, 1).acos_().mul_(cells / math.pi)
    cell = position.long().clamp_max_(cells - 1)
    return table.take(cell).add_(table.diff().take(cell).mul_(position.sub_(cell)))


def _points_on_sphere(x: Tensor) -> tuple[int, int]:
    n, d = x.shape[-2:]
    if n < 3 or d < 2:
        raise InputError(f"a test of uniformity needs at least 3 points in 2 dimensions: got {n} in {d}")
    worst = float((torch.linalg.vector_norm(x, dim=-1) - 1).abs().max())
    if not worst < 1e-3:
        raise InputError(f"rows must have unit norm: got one off by {worst:.3g}; normalise them first")
    return n, d


def _pair_outcome(total: Tensor, n: int, null: _PairMoments, worst: float) -> Outcome:
    """Standardise a sum over the pairs i < j and take its upper tail from a Pearson III law.

    The third central moment counts each pair thrice itself and each triangle of pairs in 3! orders; every other
    product holds an independent factor of mean zero.
    """
    pairs, triangles = math.comb(n, 2), math.comb(n, 3)
    deviation = math.sqrt(pairs * null.second)
    skewness = (pairs * null.third + 6 * triangles * null.triangle) / deviation**3
    z = total.double() / deviation
    shape = 4 / skewness**2
    p_value = gammaincc(shape, np.maximum(shape + z.numpy() * math.sqrt(shape), 0))
    effect = (total.double() / (pairs * worst)).clamp_min(0).sqrt()
    return Outcome(z, torch.as_tensor(p_value, dtype=torch.float64), effect)


def _kernel_mean(d: int, width: float) -> float:
    """E exp(width <x, y>) for uniform y: a Bessel function, as in Lemma 2."""
    return float(hyp0f1(d / 2, width**2 / 4))


def _kernel_moments(d: int, width: float) -> _PairMoments:
    """Moments of the centred kernel; the triangle's from its eigenvalues on the spherical harmonics of order k >= 1."""
    mean, second, third = (_kernel_mean(d, m * width) for m in (1, 2, 3))
    eigenvalues, counts = _kernel_spectrum(d, width)
    triangle = float((counts[1:] * eigenvalues[1:] ** 3).sum())
    return _PairMoments(second - mean**2, third - 3 * mean * second + 2 * mean**3, triangle)


def _kernel_spectrum(d: int, width: float, orders: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of exp(width <x, y>) under the uniform law (Funk-Hecke) and their multiplicities."""
    k = np.arange(orders)
    logs = k * math.log(width / 2) + gammaln(d / 2) - gammaln(d / 2 + k)
    eigenvalues = np.exp(logs) * hyp0f1(d / 2 + k, width**2 / 4)
    counts = [float(math.comb(d + j - 1, j) - (math.comb(d + j - 3, j - 2) if j > 1 else 0)) for j in range(orders)]
    return eigenvalues, np.array(counts)


# --- what contrastive representations should be ------------------------------------------------------------------


def alignment(x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s n d"]) -> Float[Tensor, "*s"]:
    """Mean squared distance of positive pairs on the sphere (Wang and Isola, 2020, alpha = 2); 0 is best."""
    x, y = (torch.nn.functional.normalize(z, dim=-1) for z in (x, y))
    return (x - y).square().sum(-1).mean(-1)


def uniformity(x: Float[Tensor, "*s n d"], t: float = 2.0) -> Float[Tensor, "*s"]:
    """`log E exp(-t |x - y|^2)` over distinct pairs on the sphere (Wang and Isola, 2020); lower is more uniform."""
    x = torch.nn.functional.normalize(x, dim=-1)
    n = x.shape[-2]
    apart = -2 * t * (1 - x @ x.mT)
    apart.diagonal(dim1=-2, dim2=-1).fill_(-torch.inf)
    return torch.logsumexp(apart.flatten(-2), dim=-1) - math.log(n * (n - 1))


def anchor_log_means(scores: Float[Tensor, "*s n m"]) -> Float[Tensor, "*s n"]:
    """`log mean_i exp f(a, b_i)` per anchor: a density ratio has 0, InfoNCE at its optimum any function of the anchor.

    Constant over anchors is what Monte Carlo scores need to rank well from every side; the spread over anchors says
    how far the critic is from it.
    """
    return log_sum_exp(scores) - math.log(scores.shape[-1])
