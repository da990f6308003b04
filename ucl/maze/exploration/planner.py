"""Heading for what lies between: a table of scores towards way-points in place of the goal itself.

For the critic `squared_l2`, as `interpolation` is.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ucl.core.critics import squared_distances
from ucl.maze.exploration.collecting import goal_scores
from ucl.maze.exploration.interpolation import Marginal, between, way_points
from ucl.maze.models import MazeModel
from ucl.maze.state_grid import Squares

__all__ = ["Plan", "agreement", "one_of", "plan"]


def one_of(model: MazeModel, seed: int, critic: str) -> MazeModel:
    """One of the stacked models, alone."""
    return MazeModel.from_tensors({key: value[seed : seed + 1] for key, value in model.state_dict().items()}, critic)


@dataclass(frozen=True, eq=False)
class Plan:
    """Scores of actions for every goal: straight for it, and by way-points; and where these are."""

    straight: Float[Tensor, "squares actions tasks"]
    planned: Float[Tensor, "squares actions tasks"]
    points: Float[Tensor, "squares tasks 2"]  # the way-point, or the goal itself


@torch.no_grad()
def plan(model: MazeModel, squares: Squares, goals: Float[Tensor, "tasks 2"], bank: Float[Tensor, "bank 2"]) -> Plan:
    """At every square, head for the state of the bank that is nearest to the middle of what leads on to the goal.

    Where that lies in the square itself, or no nearer to the goal than the square does, head for the goal.
    """
    scale = float(model.log_scale[0, 0].exp())
    centres = torch.from_numpy(squares.centres).float()
    here, there, known = (model.encode_state(places[None])[0] for places in (centres, goals, bank))
    chosen = way_points(here, there, known, scale, Marginal.of(known))
    of_bank, tasks = torch.from_numpy(squares.at(bank.double().numpy())), torch.arange(len(goals))
    useless = of_bank[chosen] == torch.arange(len(centres))[:, None]
    useless |= squared_distances(known, there)[chosen, tasks] >= squared_distances(here, there)
    column: Int[Tensor, "squares tasks"] = torch.where(useless, tasks, len(goals) + chosen)
    scores = goal_scores(model, squares, torch.cat([goals, bank])[None])[0]
    planned = scores.gather(2, column[:, None].expand(-1, scores.shape[1], -1))
    return Plan(scores[:, :, : len(goals)].contiguous(), planned, torch.cat([goals, bank])[column])


@torch.no_grad()
def agreement(
    model: MazeModel, starts: Float[Tensor, "n 2"], goals: Float[Tensor, "n 2"], states: Float[Tensor, "m 2"]
) -> float:
    """How far the closed form's mean lies from that of visited states weighed by exp(f(s, w) + f(w, g)).

    The mean over pairs, in units of the distance from start to goal.
    """
    scale = float(model.log_scale[0, 0].exp())
    x, z, y = (model.encode_state(places[None])[0] for places in (starts, goals, states))
    closed, _ = between(x, z, scale, Marginal.of(y))
    weights = (model.critic_future(x[None], y[None]) + model.critic_future(z[None], y[None]))[0].softmax(-1)
    return float(((closed - weights @ y).norm(dim=-1) / (x - z).norm(dim=-1)).mean())
