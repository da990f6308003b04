"""The scale of a critic, fitted on known pairs by InfoNCE: for embeddings whose scale nobody published."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.critics import CRITICS, Critic, represent
from ucl.core.readers import as_rows, check_columns
from ucl.errors import InputError
from ucl.learning.losses import info_nce
from ucl.runtime import generator
from ucl.statistics.intervals import NORMAL

__all__ = ["Calibration", "calibrate", "fit_scale"]

BATCH = 1024  # pairs that are told from each other
FEWEST = 20
REACH = 1e6  # how far the scale times the typical difference of similarities is looked for, and one over it


@dataclass(frozen=True)
class Calibration:
    """A critic's scale with its 95 % interval; `loss` is symmetrised InfoNCE at it, in nats, `chance` of no scale.

    `low` is 0 where nothing tells the pairs from chance; `high` is infinite where they are told apart without error.
    """

    critic: str
    scale: float
    low: float
    high: float
    loss: float
    chance: float
    pairs: int
    batch: int

    def __str__(self) -> str:
        fitted = f"{self.critic} critic: scale {self.scale:.4g}, 95 % interval {self.low:.4g} to {self.high:.4g}"
        nats = f"InfoNCE {self.loss:.3f} nats, {self.chance:.3f} by chance"
        told = f"{fitted} ({nats}; {self.pairs} pairs in batches of {self.batch})"
        return told if self.doubt is None else f"{told}: {self.doubt}"

    @property
    def like_chance(self) -> bool:
        """Whether nothing tells the pairs from chance."""
        return self.scale == 0 or (self.low == 0 and math.isfinite(self.high))

    @property
    def doubt(self) -> str | None:
        """Why the scale is none to use, if so."""
        if self.like_chance:
            return "nothing tells these pairs from chance; are the rows of both sides in one order?"
        if math.isinf(self.high):
            return "no pair is mistaken for another, so any larger scale does as well; are both sides the same rows?"
        return None


def calibrate(x: Any, y: Any, critic: str = "cosine") -> Calibration:
    """The scale that symmetrised InfoNCE prefers for pairs (x_i, y_i): arrays, tensors or files, [n, d] each.

    The pairs must be ones that the model was not trained on: on training pairs the scale comes out too large. They are
    told from each other in random batches of at most 1,024, or all n at once. A critic that is a log density ratio has
    the same best scale in every batch size; for one that is not, larger batches look at harder negatives and the scale
    moves. The interval is that of the infinitesimal jackknife over pairs, on a logarithmic axis: a pair counts as a
    positive and as a negative of all others.

    Raises InputError where the critic is unknown, rows or widths do not match, or there are fewer than 20 pairs.
    """
    if critic not in CRITICS:
        raise InputError(f"critic must be one of {', '.join(CRITICS)}: got {critic}")
    rows = as_rows(x, "x"), as_rows(y, "y")
    if rows[0].shape != rows[1].shape or len(rows[0]) < FEWEST:
        raise InputError(
            f"x and y must hold the two sides of at least {FEWEST} pairs, of one width: "
            f"got {list(rows[0].shape)} and {list(rows[1].shape)}"
        )
    check_columns(*rows)
    kind = CRITICS[critic](1.0)
    order = torch.randperm(len(rows[0]), generator=generator(len(rows[0])))
    sides = [represent(kind, part.read(0, len(part)).detach().double().cpu(), part.name)[order] for part in rows]
    return fit_scale(kind, sides[0], sides[1])


def fit_scale(kind: Critic, x: Float[Tensor, "n d"], y: Float[Tensor, "n d"]) -> Calibration:
    """`calibrate` of represented pairs in random order."""
    count = max(1, math.ceil(len(x) / BATCH))
    grids = [kind.compare(a, b) for a, b in zip(x.tensor_split(count), y.tensor_split(count), strict=True)]
    chance = sum(len(grid) * math.log(len(grid)) for grid in grids) / len(x)
    unit = float(torch.stack([grid.std() for grid in grids]).mean())
    scale = 0.0 if unit == 0 else _root(grids, unit)
    loss = sum(len(grid) * float(info_nce(scale * grid)) for grid in grids) / len(x)
    low, high = _interval(grids, scale, unit)
    return Calibration(kind.name, scale, low, high, loss, chance, len(x), max(map(len, grids)))


def _root(grids: list[Tensor], unit: float) -> float:
    """Where the slope of the loss, which is convex in the scale, is nought; or an end of what is looked through."""
    low, high = -math.log(REACH), math.log(REACH)
    for _ in range(50):
        middle = (low + high) / 2
        slope = sum(float(_slopes(grid, math.exp(middle) / unit).sum()) for grid in grids)
        low, high = (low, middle) if slope > 0 else (middle, high)
    return math.exp((low + high) / 2) / unit


def _interval(grids: list[Tensor], scale: float, unit: float) -> tuple[float, float]:
    if scale == 0 or scale * unit < 2 / REACH:
        return 0.0, math.inf if scale == 0 else scale + NORMAL * _error(grids, scale)
    if scale * unit > REACH / 2:
        return 0.0, math.inf
    log_error = min(NORMAL * _error(grids, scale) / scale, 300.0)
    return scale * math.exp(-log_error), scale * math.exp(log_error)


def _error(grids: list[Tensor], scale: float) -> float:
    """Standard error of the scale by the infinitesimal jackknife."""
    influence = torch.cat([_slopes(grid, scale) + _as_negatives(grid, scale) for grid in grids])
    return float(influence.square().sum().sqrt() / sum(_curvature(grid, scale) for grid in grids))


def _slopes(grid: Float[Tensor, "n n"], scale: float) -> Float[Tensor, " n"]:
    """Derivative of each pair's loss by the scale: the mean similarity under the softmax, less its own."""
    means = [((scale * grid).softmax(dim) * grid).sum(dim) for dim in (1, 0)]
    return (means[0] + means[1]) / 2 - grid.diagonal()


def _as_negatives(grid: Float[Tensor, "n n"], scale: float) -> Float[Tensor, " n"]:
    """Derivative of the others' slopes by how much each pair counts among their negatives."""
    shares = [(scale * grid).softmax(dim) for dim in (1, 0)]
    of_rows, of_columns = (
        (p * (grid - (p * grid).sum(d, keepdim=True))).sum(1 - d) for p, d in zip(shares, (1, 0), strict=True)
    )
    return (of_rows + of_columns) / 2


def _curvature(grid: Float[Tensor, "n n"], scale: float) -> float:
    shares = [(scale * grid).softmax(dim) for dim in (1, 0)]
    parts = [(p * grid.square()).sum(d) - (p * grid).sum(d).square() for p, d in zip(shares, (1, 0), strict=True)]
    return max(float(sum(part.sum() for part in parts)) / 2, 1e-300)
