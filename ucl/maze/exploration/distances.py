"""Distances that a critic implies, log p(g | g) / p(g | s), and how often they break the triangle inequality."""

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.maze.exploration.collecting import goal_scores
from ucl.maze.models import MazeModel
from ucl.maze.state_grid import Squares

__all__ = ["successor_distances", "violations"]


def successor_distances(model: MazeModel, squares: Squares, places: Float[Tensor, "n 2"]) -> Float[Tensor, "s n n"]:
    """log p(g | g) / p(g | s) between all places, with p(g | s) in proportion to the mean of exp f((s, a), g) over a.

    What of f depends on the goal alone cancels. Myers et al. (2024) show that with exact critics of one policy this
    obeys the triangle inequality.
    """
    scores = goal_scores(model, squares, places.expand(len(model.log_scale), -1, -1))
    level = scores[:, torch.from_numpy(squares.at(places.double().numpy()))].logsumexp(2)  # [s, from, to]
    return level.diagonal(dim1=1, dim2=2)[:, None] - level


def violations(
    distances: Float[Tensor, "*s n n"], slack: float = 1e-4
) -> tuple[Float[Tensor, "*s"], Float[Tensor, "*s"]]:
    """Of all triples of different places, the share with d(i, k) > d(i, j) + d(j, k) + slack; and their mean excess."""
    n = distances.shape[-1]
    excess = distances[..., :, None, :] - distances[..., :, :, None] - distances[..., None, :, :]  # [i, j, k]
    i, j, k = torch.meshgrid(*[torch.arange(n)] * 3, indexing="ij")
    different = (i != j) & (j != k) & (i != k)
    found = excess[..., different]
    broken = found > slack
    return broken.double().mean(-1), (found * broken).sum(-1).double() / broken.sum(-1).clamp_min(1)
