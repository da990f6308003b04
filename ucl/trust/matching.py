"""How well each row of one side of a bank fits each row of the other, told by the bank's own pairs.

Both sides are regressed on each other by kernel ridge regression (a linear kernel beside a Gaussian one), and every row
is predicted without its own pair. The residuals turn predictions into a log density ratio for every pair of rows.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ucl.core.critics import squared_distances

__all__ = ["RIDGES", "Map", "Side"]

RIDGES = (1e-3, 3e-2, 1.0)  # beside a kernel with one on its diagonal, on average
WIDTH = 64  # principal directions that are predicted
FLOOR = 1e-4  # of a direction's variance: one that is predicted perfectly is not all that counts


@dataclass(frozen=True)
class Side:
    """One side of a sample of a bank, as that from which the other is predicted and as that which is predicted."""

    rows: Float[Tensor, "n d"]

    @cached_property
    def centre(self) -> Float[Tensor, " d"]:
        return self.rows.mean(0)

    @cached_property
    def size(self) -> Tensor:
        """Root mean square of the centred numbers."""
        return (self.rows - self.centre).square().mean().sqrt().clamp_min(1e-150)

    @cached_property
    def axes(self) -> Float[Tensor, "d k"]:
        """What takes centred rows to principal coordinates of variance one; directions that hold nothing left out."""
        centred = self.rows - self.centre
        variances, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))  # ascending
        variances, vectors = variances[-WIDTH:], vectors[:, -WIDTH:]
        kept = variances > 1e-10 * variances[-1].clamp_min(1e-290)
        return vectors[:, kept] * variances[kept].rsqrt()

    def coordinates(self, rows: Float[Tensor, "m d"]) -> Float[Tensor, "m k"]:
        """Principal coordinates of rows of this side."""
        return (rows - self.centre.to(rows)) @ self.axes.to(rows)

    @cached_property
    def unweighted(self) -> list[Float[Tensor, "n n"]]:
        """The inverses of `inverses` where all rows count alike."""
        return self.inverses(self.rows.new_ones(len(self.rows)))

    def inverses(self, weights: Float[Tensor, " n"], ridges: tuple[float, ...] = RIDGES) -> list[Float[Tensor, "n n"]]:
        """(K + ridge / weights)^-1 for every ridge: a row of little weight is a row seen with much noise."""
        noise = [torch.diag(ridge / weights) for ridge in ridges]
        return [torch.cholesky_inverse(torch.linalg.cholesky(self.gram + own)) for own in noise]

    @cached_property
    def gram(self) -> Float[Tensor, "n n"]:
        """The kernel of the sample with itself."""
        return self.kernel(self.rows)

    def kernel(self, rows: Float[Tensor, "m d"]) -> Float[Tensor, "m n"]:
        """Of any rows with those of the sample."""
        d = self.rows.shape[1]
        x, z = ((part - self.centre) / self.size for part in (rows, self.rows))
        return (x @ z.T / d + torch.exp(-squared_distances(x, z) / (2 * d))) / 2


@dataclass(frozen=True)
class Map:
    """What predicts one side from the other, and what its predictions are worth, direction by direction."""

    source: Side
    target: Float[Tensor, "n k"]  # coordinates
    inverse: Float[Tensor, "n n"]
    spread: Float[Tensor, " k"]  # variance of each coordinate
    left: Float[Tensor, " k"]  # variance that the prediction leaves; infinite where it says nothing
    best: int  # of the inverses it was fitted from

    @classmethod
    def fit(
        cls, source: Side, target: Float[Tensor, "n k"], weights: Float[Tensor, " n"], inverses: list[Tensor]
    ) -> "Map":
        """The ridge that predicts left-out rows best, of the weight they have."""
        share = weights / weights.sum()
        losses = [share @ (target - _left_out(inverse, target)).square() for inverse in inverses]
        best = min(range(len(losses)), key=lambda i: float(losses[i].sum()))
        spread = share @ (target - share @ target).square()
        left = torch.where(losses[best] < spread, torch.maximum(losses[best], FLOOR * spread), torch.inf)
        return cls(source, target, inverses[best], spread, left, best)

    @property
    def says(self) -> Bool[Tensor, " k"]:
        return self.left.isfinite()

    def left_out(self) -> Float[Tensor, "n k"]:
        """Each target as the other rows predict it."""
        return _left_out(self.inverse, self.target)

    def predict(self, rows: Float[Tensor, "m d"]) -> Float[Tensor, "m k"]:
        """Targets of rows that are not in the sample."""
        return self.source.kernel(rows) @ (self.inverse @ self.target)

    def log_ratio(self, predicted: Float[Tensor, "n k"], target: Float[Tensor, "m k"]) -> Float[Tensor, "n m"]:
        """log p(target_j | prediction_i) / p(target_j), of Gaussian residuals that do not depend on each other."""
        says = self.says
        predicted, target, left, spread = predicted[:, says], target[:, says], self.left[says], self.spread[says]
        squares = squared_distances(predicted * left.rsqrt(), target * left.rsqrt())
        marginal = (target.square() / spread).sum(1) + (spread / left).log().sum()
        return (marginal - squares) / 2


def _left_out(inverse: Float[Tensor, "n n"], target: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Predictions of a kernel ridge regression for each row without that row, in closed form."""
    return target - (inverse @ target) / inverse.diagonal()[:, None]
