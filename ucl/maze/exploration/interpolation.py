"""Planning by interpolation: where a way from a start to a goal will pass, in closed form (Eysenbach et al. 2024).

With f(x, y) = -scale |x - y|^2 / 2 and representations distributed as N(mean, covariance), what lies between a start x
and a goal z has p(y | x, z) in proportion to p(y) exp(f(x, y) + f(y, z)): a Gaussian again.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ucl.core.critics import squared_distances

__all__ = ["Marginal", "between", "way_points"]


@dataclass(frozen=True, eq=False)
class Marginal:
    """The Gaussian that states' representations are taken to follow."""

    mean: Float[Tensor, " d"]
    precision: Float[Tensor, "d d"]

    @classmethod
    def of(cls, representations: Float[Tensor, "n d"], ridge: float = 1e-4) -> "Marginal":
        """Moments of representations; `ridge` times the mean variance keeps flat directions invertible."""
        covariance = torch.cov(representations.T.double())
        covariance = covariance + ridge * covariance.diagonal().mean() * torch.eye(len(covariance), dtype=torch.float64)
        return cls(representations.mean(0), torch.linalg.inv(covariance).to(representations.dtype))


def between(
    start: Float[Tensor, "*n d"], goal: Float[Tensor, "*n d"], scale: float, marginal: Marginal
) -> tuple[Float[Tensor, "*n d"], Float[Tensor, "d d"]]:
    """Mean and covariance of the representation of what lies between start and goal."""
    eye = torch.eye(start.shape[-1], dtype=start.dtype)
    covariance = torch.linalg.inv(2 * scale * eye + marginal.precision)
    pull = scale * (start + goal) + marginal.precision @ marginal.mean
    return pull @ covariance, covariance


def way_points(
    states: Float[Tensor, "squares d"],
    goals: Float[Tensor, "tasks d"],
    bank: Float[Tensor, "bank d"],
    scale: float,
    marginal: Marginal,
) -> Int[Tensor, "squares tasks"]:
    """For every square and goal the row of the bank that is nearest to the posterior's mean between them."""
    columns = [between(states, goal.expand_as(states), scale, marginal)[0] for goal in goals]
    return torch.stack([squared_distances(mean, bank).argmin(1) for mean in columns], dim=1)
