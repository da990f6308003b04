"""Points that act: at random, by their critics towards a goal, or by a controller that is shown the map."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ucl.maze import geometry
from ucl.maze.exploration.explorer import Exploring
from ucl.maze.exploration.replay import ReplayBuffer
from ucl.maze.geometry import DIRECTIONS
from ucl.maze.models import MazeModel
from ucl.maze.planning import Hops
from ucl.maze.points.world import Points
from ucl.maze.policies import pick

__all__ = [
    "Controller", "CriticPolicy", "PointCollector", "Policy", "RandomPushes", "collect_points", "reach_goals",
    "score_actions",
]  # fmt: skip

PULL = 10.0  # of a controller, per cell to go: as in D4RL's


@runtime_checkable
class Policy(Protocol):
    """Chooses for n points of each of S models; an action is kept for `repeat` steps of the environment."""

    repeat: int

    def act(self, states: Float[np.ndarray, "s n state"]) -> Float[np.ndarray, "s n 2"]:
        """Actions (right, down)."""
        ...


class Pushes(ABC):
    """Full force in one of the directions."""

    def __init__(self, randoms: Sequence[np.random.Generator], repeat: int) -> None:
        self.randoms, self.repeat = randoms, repeat

    @abstractmethod
    def choose(self, states: Float[np.ndarray, "s n state"]) -> Float[np.ndarray, "s n"]:
        """Angles."""

    def act(self, states: Float[np.ndarray, "s n state"]) -> Float[np.ndarray, "s n 2"]:
        return pushes(self.choose(states))


class RandomPushes(Pushes):
    """Any of the directions, evenly."""

    def choose(self, states: Float[np.ndarray, "s n state"]) -> Float[np.ndarray, "s n"]:
        return np.stack([random.choice(DIRECTIONS, size=states.shape[1]) for random in self.randoms])


class CriticPolicy(Pushes):
    """The softmax of every model's f((s, a), g) / temperature over the directions; each point has its goal."""

    def __init__(
        self,
        model: MazeModel,
        goals: Float[Tensor, "s n 2"],
        temperature: float,
        randoms: Sequence[np.random.Generator],
        repeat: int,
    ) -> None:
        super().__init__(randoms, repeat)
        self.model, self.goals, self.temperature = model, goals, temperature
        self.directions = torch.from_numpy(DIRECTIONS).float()

    @torch.no_grad()
    def choose(self, states: Float[np.ndarray, "s n state"]) -> Float[np.ndarray, "s n"]:
        scores = score_actions(self.model, torch.from_numpy(states).float(), self.directions, self.goals)
        cumulative = (scores / self.temperature).softmax(-1).cumsum(-1).flatten(0, 1).numpy()
        uniform = np.concatenate([random.random(states.shape[1]) for random in self.randoms])
        return DIRECTIONS[pick(cumulative, uniform)].reshape(states.shape[:2])


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


def score_actions(
    model: MazeModel, states: Float[Tensor, "s n state"], angles: Float[Tensor, " k"], goals: Float[Tensor, "s n 2"]
) -> Float[Tensor, "s n k"]:
    """f((s, a), g) of every action in each state towards that state's own goal."""
    taken = model.encode_actions(states, angles.expand(*states.shape[:2], -1))
    aims = model.encode_state(goals)
    each = model.critic_type(model.log_scale[:, 0, None].exp().expand(-1, aims.shape[1]))
    return each(taken, aims[:, :, None])[..., 0]


@dataclass(frozen=True)
class PointCollector:
    """Episodes of points, for `ucl.maze.exploration.explorer.explore`: they begin at rest, anywhere in the maze."""

    points: Points
    repeat: int

    def collect(
        self,
        model: MazeModel,
        goals: Float[Tensor, "s goals 2"] | None,
        exploring: Exploring,
        randoms: Sequence[np.random.Generator],
    ) -> ReplayBuffer:
        starts = np.stack([self.points.starts(exploring.episodes, random) for random in randoms])
        policy: Pushes = RandomPushes(randoms, self.repeat)
        if goals is not None:
            aims = goals[:, torch.arange(exploring.episodes) % goals.shape[1]]
            policy = CriticPolicy(model, aims, exploring.temperature, randoms, self.repeat)
        return collect_points(self.points, starts, exploring.episode_steps, policy)


def collect_points(
    points: Points, starts: Float[np.ndarray, "s n state"], decisions: int, policy: Pushes
) -> ReplayBuffer:
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
    return ReplayBuffer(walked, angles)


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
