"""Points that act: at random, by their critics towards a goal, or by a controller that is shown the map."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ucl.maze import geometry
from ucl.maze.geometry import DIRECTIONS
from ucl.maze.planning import Hops
from ucl.maze.points.models import PointBuffer, PointModel
from ucl.maze.points.world import Points
from ucl.maze.policies import pick

__all__ = ["Controller", "CriticPolicy", "Policy", "RandomPushes", "collect_points", "reach_goals"]

PULL = 10.0  # of a controller, per cell to go: as in D4RL's


@runtime_checkable
class Policy(Protocol):
    """Chooses for n points of each of S models; an action is kept for `repeat` steps of the environment."""

    repeat: int

    def act(self, states: Float[np.ndarray, "s n state"]) -> Float[np.ndarray, "s n 2"]:
        """Actions (right, down)."""
        ...


class RandomPushes:
    """Any of the directions, evenly, with full force."""

    def __init__(self, randoms: Sequence[np.random.Generator], repeat: int) -> None:
        self.randoms, self.repeat = randoms, repeat

    def choose(self, states: Float[np.ndarray, "s n state"]) -> Float[np.ndarray, "s n"]:
        """Angles."""
        return np.stack([random.choice(DIRECTIONS, size=states.shape[1]) for random in self.randoms])

    def act(self, states: Float[np.ndarray, "s n state"]) -> Float[np.ndarray, "s n 2"]:
        return pushes(self.choose(states))


class CriticPolicy:
    """The softmax of every model's f((s, a), g) / temperature over the directions, with full force."""

    def __init__(
        self,
        model: PointModel,
        goals: Float[Tensor, "s n 2"],
        temperature: float,
        randoms: Sequence[np.random.Generator],
        repeat: int,
    ) -> None:
        self.model, self.goals, self.temperature = model, goals, temperature
        self.randoms, self.repeat = randoms, repeat
        self.directions = torch.from_numpy(DIRECTIONS).float()

    @torch.no_grad()
    def choose(self, states: Float[np.ndarray, "s n state"]) -> Float[np.ndarray, "s n"]:
        """Angles."""
        scores = self.model.score_actions(torch.from_numpy(states).float(), self.directions, self.goals)
        cumulative = (scores / self.temperature).softmax(-1).cumsum(-1).flatten(0, 1).numpy()
        uniform = np.concatenate([random.random(states.shape[1]) for random in self.randoms])
        return DIRECTIONS[pick(cumulative, uniform)].reshape(states.shape[:2])

    def act(self, states: Float[np.ndarray, "s n state"]) -> Float[np.ndarray, "s n 2"]:
        return pushes(self.choose(states))


class Controller:
    """The ceiling: to the middle of the next cell on a shortest way, in the last one to the goal; it knows the map.

    A force in proportion to the way that is left, less the velocity, as the controller that D4RL's data come from.
    """

    repeat = 1

    def __init__(self, points: Points, goals: Float[np.ndarray, "s n 2"]) -> None:
        self.layout, self.goals = points.layout, goals
        self.hops = Hops(points.layout)
        self.last = self._cell(goals)

    def act(self, states: Float[np.ndarray, "s n state"]) -> Float[np.ndarray, "s n 2"]:
        here = self._cell(states[..., :2])
        options = self.hops.neighbours[here]
        nearest = self.hops.count[options, self.last[..., None]].argmin(-1)
        ahead = np.take_along_axis(options, nearest[..., None], -1)[..., 0]
        target = np.where((here == self.last)[..., None], self.goals, self.layout.cells[ahead, ::-1] + 0.5)
        force = PULL * (target - states[..., :2])
        if states.shape[-1] > 2:
            force = force - states[..., 2:]
        return np.clip(force, -1.0, 1.0)

    def _cell(self, positions: Float[np.ndarray, "s n 2"]) -> Int[np.ndarray, "s n"]:
        return self.layout.index[geometry.cells_of(positions)]


def pushes(angles: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n 2"]:
    """Full force at these angles."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def collect_points(
    points: Points, starts: Float[np.ndarray, "s n state"], decisions: int, policy: RandomPushes | CriticPolicy
) -> PointBuffer:
    """Walk n episodes of every model; states are kept at every decision."""
    states, track, taken = starts, [starts], []
    for _ in range(decisions):
        taken.append(policy.choose(states))
        flat, push = states.reshape(-1, states.shape[-1]), pushes(taken[-1]).reshape(-1, 2)
        for _ in range(policy.repeat):
            flat = points.step(flat, push)
        states = flat.reshape(states.shape)
        track.append(states)
    walked, angles = (torch.from_numpy(np.stack(parts, axis=2)).float() for parts in (track, taken))
    return PointBuffer.of(walked, angles)


def reach_goals(
    points: Points, starts: Float[np.ndarray, "s n state"], goals: Float[np.ndarray, "s n 2"], policy: Policy
) -> Float[np.ndarray, "s n"]:
    """Steps of the environment until each point is at its goal; NaN where its time limit comes first."""
    states, aims = starts.reshape(-1, starts.shape[-1]).copy(), goals.reshape(-1, 2)
    steps = np.full(len(states), np.nan)
    steps[points.arrived(states, aims)] = 0
    for taken in range(points.horizon):
        going = np.isnan(steps)
        if not going.any():
            break
        if taken % policy.repeat == 0:
            actions = policy.act(states.reshape(starts.shape)).reshape(-1, 2)
        states[going] = points.step(states[going], actions[going])
        steps[going] = np.where(points.arrived(states[going], aims[going]), taken + 1, np.nan)
    return steps.reshape(goals.shape[:2])
