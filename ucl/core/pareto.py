"""The shape of a tail: how far an average of weights can be trusted that rests on its largest few.

Source: Zhang and Stephens, "A new and efficient estimation method for the generalized Pareto distribution",
Technometrics 51 (2009), for the fit; Vehtari, Simpson, Gelman, Yao and Gabry, "Pareto smoothed importance sampling",
Journal of Machine Learning Research 25 (2024), for the tail, the prior and what the shape says.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.exponential import exp_

__all__ = ["TRUSTED", "excess_shape", "pareto_shape"]

TRUSTED = 0.7  # above it a Monte Carlo average needs more samples than anyone has (Vehtari et al., section 3)
FEWEST = 5  # values that a tail must have for its shape to be fitted
HELD = 2**23  # numbers that the fit holds at once


def pareto_shape(log_weights: Float[Tensor, "*s m"]) -> Float[Tensor, "*s"]:
    """Shape k of the largest of m weights, of each row; in float64, without gradients.

    `log_weights` are known up to a constant per row: for an answer of a bank they are
    `f_AB(a, b_i) + f_BC(b_i, c)` over its samples. With k at most .5 their average has a variance; up to `TRUSTED` it
    and its standard error can be used; above, they rest on samples that the bank by chance has or has not.

    The tail is the `min(m / 5, 3 sqrt(m))` largest weights above the next one. Fewer than `FEWEST` values have no
    shape: infinity, "do not trust". A tail of values equal to each other and the next has none either: minus infinity.
    """
    m = log_weights.shape[-1]
    size = tail_size(m)
    rows = log_weights.detach().double().reshape(-1, m)
    if size < FEWEST:
        return torch.full(log_weights.shape[:-1], torch.inf, dtype=torch.float64, device=rows.device)
    top = rows.topk(size + 1).values
    weights = exp_(top - top[:, :1])
    return excess_shape((weights[:, :-1] - weights[:, -1:]).flip(-1)).reshape(log_weights.shape[:-1])


def tail_size(m: int) -> int:
    """How many of m weights are their tail (Vehtari et al., section 3.1)."""
    return math.ceil(min(m / 5, 3 * math.sqrt(m)))


def excess_shape(excess: Float[Tensor, "r n"]) -> Float[Tensor, " r"]:
    """Shape k of a generalised Pareto law, of each row of values above a threshold, in ascending order.

    The posterior mean over a grid of Zhang and Stephens, then drawn towards .5 as if ten values more had been seen
    (Vehtari et al., appendix C): a handful of values would otherwise give any shape.
    """
    points = 30 + int(math.sqrt(excess.shape[1]))
    step = max(1, HELD // (points * excess.shape[1]))
    return torch.cat([_shapes(part, points) for part in excess.double().split(step)]) if len(excess) else excess[:, 0]


def _shapes(excess: Float[Tensor, "r n"], points: int) -> Float[Tensor, " r"]:
    n = excess.shape[1]
    largest = excess[:, -1:]
    scaled = excess / torch.where(largest > 0, largest, 1)  # the shape does not depend on the unit
    # Zhang and Stephens, equation 5: a grid of -k / sigma around the lower quartile, in the unit of the largest value.
    quartile = scaled[:, int(n / 4 + 0.5) - 1 : int(n / 4 + 0.5)].clamp_min(torch.finfo(torch.float64).tiny ** 0.5)
    grid = torch.arange(1, points + 1, dtype=torch.float64, device=excess.device) - 0.5
    theta = 1 + (1 - (points / grid).sqrt()) / (3 * quartile)
    shape = torch.log1p(-theta[..., None] * scaled[:, None]).mean(-1)
    likelihood = n * ((-theta / shape).log() - shape - 1)
    likelihood = torch.where(likelihood.isfinite(), likelihood, -torch.inf)
    best = (likelihood.softmax(-1) * theta).sum(-1, keepdim=True)
    k = torch.log1p(-best * scaled).mean(-1)
    drawn = (n * k + 10 * 0.5) / (n + 10)
    return torch.where(largest[:, 0] > 0, drawn, -torch.inf)
