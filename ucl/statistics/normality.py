"""Is a marginal Gaussian? Tests that keep their 5 % (Assumption 3, section 6.2.2).

`gaussianity` (Mardia, Henze-Zirkler) compares with Monte Carlo draws from the null, because the textbook asymptotics
fail once d is not small beside n. The statistics are affine invariant: the null depends on n and d alone. Effect sizes
are 0 under the null but for noise, whatever n.
"""

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.exponential import exp_
from ucl.errors import InputError
from ucl.runtime import generator as seeded
from ucl.statistics.outcome import Outcome

__all__ = ["GAUSSIAN_TESTS", "gaussianity", "varying"]

VARIES = 0.01  # of the largest singular value: directions below are constant but for rounding
GAUSSIAN_TESTS = ("mardia_skewness", "mardia_kurtosis", "henze_zirkler")


# --- Gaussian ----------------------------------------------------------------------------------------------------


def gaussianity(x: Float[Tensor, "*s n d"], draws: int = 999) -> dict[str, Outcome]:
    """Mardia's skewness and kurtosis and Henze and Zirkler's test that rows are N(m, S) for some m and S.

    p-values against `draws` samples from the null: exact, and at least 1 / (draws + 1). Needs n > d + 1. Effects:
    skewness and kurtosis beyond what n Gaussian points show, per dimension and relative to d (d + 2); for
    Henze-Zirkler the statistic in standard deviations of its null over sqrt(n).
    """
    n, d = x.shape[-2:]
    if n < d + 2:
        raise InputError(f"a test of normality needs more points than dimensions + 1: got {n} in {d}; project first")
    statistics = _gaussian_statistics(_mahalanobis(x.double()), d)
    null = _gaussian_null(n, d, draws)
    upper, lower = _upper_p(statistics, null), _upper_p(-statistics, -null.flip(-1))
    p_value = upper.clone()
    p_value[1] = (2 * torch.minimum(upper[1], lower[1])).clamp_max(1)  # tails too heavy or too light
    skewness = ((statistics[0] - d * (d + 2) * ((n + 1) * (d + 1) - 6) / ((n + 1) * (n + 3))) / d).clamp_min(0)
    kurtosis = statistics[1] / (d * (d + 2)) - (n - 1) / (n + 1)
    zirkler = ((statistics[2] - null[2].mean()) / null[2].std() / math.sqrt(n)).clamp_min(0)
    effects = (skewness, kurtosis, zirkler)
    return {name: Outcome(statistics[i], p_value[i], effects[i]) for i, name in enumerate(GAUSSIAN_TESTS)}


def varying(x: Float[Tensor, "n d"]) -> Float[Tensor, "n r"]:
    """Coordinates along the principal directions that carry anything, the largest first, in float64.

    The tests are affine invariant, and need a covariance that is not singular.
    """
    u, s, _ = torch.linalg.svd((x - x.mean(0)).double(), full_matrices=False)
    return u[:, s > VARIES * s[0]]


def _mahalanobis(x: Float[Tensor, "*s n d"]) -> Float[Tensor, "*s n n"]:
    """g_ij = (x_i - m)' S^-1 (x_j - m), S with divisor n: n times the projection on the centred columns."""
    centred = x - x.mean(-2, keepdim=True)
    factor, info = torch.linalg.cholesky_ex(centred.mT @ centred)
    if bool(info.any()):
        raise InputError("the covariance is singular: some columns are copies or constant; drop or project them")
    half = torch.linalg.solve_triangular(factor, centred.mT, upper=False)
    return x.shape[-2] * half.mT @ half


def _gaussian_statistics(g: Float[Tensor, "*s n n"], d: int) -> Float[Tensor, "3 *s"]:
    """Mardia's b1 and b2, and Henze-Zirkler's statistic less its constant diagonal, scaled by (1 + 2 b^2)^(d/2).

    The scaling, and leaving the constant out, keep the order of the samples and let float64 see what is left of the
    statistic in high dimension (about exp(-d/2)).
    """
    n = g.shape[-1]
    own = g.diagonal(dim1=-2, dim2=-1)
    b = (2 * d + 1) * n / 4
    bandwidth = b ** (2 / (d + 4)) / 2  # Henze and Zirkler's beta^2
    log_scale = d / 2 * math.log1p(2 * bandwidth)
    # log_scale - bandwidth / 2 * |y_i - y_j|^2 of the standardised rows, in place: these grids are all the cost
    outward = (log_scale - bandwidth * own) / 2
    near = exp_((bandwidth * g).add_(outward[..., :, None]).add_(outward[..., None, :]))
    near.diagonal(dim1=-2, dim2=-1).zero_()
    log_cross = log_scale - d / 2 * math.log1p(bandwidth) - bandwidth / (2 * (1 + bandwidth)) * own
    zirkler = near.sum((-2, -1)) / n - 2 * log_cross.exp().sum(-1)
    return torch.stack([g.square().mul_(g).mean((-2, -1)), own.square().mean(-1), zirkler])


@lru_cache(maxsize=32)
def _gaussian_null(n: int, d: int, draws: int) -> Float[Tensor, "3 draws"]:
    """Sorted statistics of `draws` Gaussian samples.

    Only the column space matters, a random d-dimensional subspace of those orthogonal to 1; its complement there is
    one too, and the smaller of the two is drawn.
    """
    random = seeded(n, d, draws)
    rank = min(d, n - 1 - d)
    batch = max(1, min(draws, 2**19 // n**2))
    centring = n * torch.eye(n, dtype=torch.float64) - 1
    found = []
    for i in range(0, draws, batch):
        size = min(batch, draws - i)
        x = torch.randn(size, n, rank, generator=random, dtype=torch.float64)
        g = _mahalanobis(x) if rank else torch.zeros(size, n, n, dtype=torch.float64)
        found.append(_gaussian_statistics(g if rank == d else centring - g, d))
    return torch.cat(found, dim=-1).sort(dim=-1).values


def _upper_p(statistics: Float[Tensor, "3 *s"], null: Float[Tensor, "3 draws"]) -> Float[Tensor, "3 *s"]:
    """(1 + number of null draws at least as large) / (draws + 1)."""
    flat = statistics.reshape(3, -1)
    at_least = null.shape[-1] - torch.searchsorted(null.contiguous(), flat.contiguous())
    return ((1 + at_least) / (1.0 + null.shape[-1])).double().reshape(statistics.shape)
