"""Rounds of walking and learning, all models stacked: a file to read from top to bottom.

A round walks every model's episodes, at first at random and from then on by the softmax of its own critic towards
goals drawn from rho(g), and trains the critics on all that is in the replay buffers. Where agents walk is a
`Collector`'s matter: in our mazes here, in environments of others `ucl.maze.points.walking`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import trange

from ucl.maze.exploration.collecting import collect, goal_chances
from ucl.maze.exploration.learner import Learner, Learning
from ucl.maze.exploration.replay import ReplayBuffer
from ucl.maze.models import MazeModel
from ucl.maze.state_grid import Squares
from ucl.maze.walks import uniform_positions
from ucl.runtime import generator

__all__ = [
    "Collector", "Exploring", "Goals", "MazeCollector", "explore", "free_goals", "learner_for", "one_goal",
    "visited_goals",
]  # fmt: skip

# rho(g): goals of every model, from its experience so far, its generator, and how many.
Goals = Callable[[ReplayBuffer, Sequence[torch.Generator], int], Float[Tensor, "s goals 2"]]
OnRound = Callable[[int, int, MazeModel, ReplayBuffer], None]


@dataclass(frozen=True)
class Exploring:
    """How agents gather experience."""

    rounds: int
    episodes: int  # per model and round
    episode_steps: int  # actions of an episode
    goals: int  # drawn per model and round; episodes share them
    temperature: float  # of the softmax over directions while exploring
    capacity: int  # episodes that a model's buffer holds
    steps: int  # of training per round


@runtime_checkable
class Collector(Protocol):
    """Where and how agents walk."""

    @property
    def repeat(self) -> int:
        """Environment steps for which an action is kept."""
        ...

    def collect(
        self,
        model: MazeModel,
        goals: Float[Tensor, "s goals 2"] | None,
        exploring: Exploring,
        randoms: Sequence[np.random.Generator],
    ) -> ReplayBuffer:
        """The episodes of a round: each towards one of its model's goals, in turn; at random if there are none."""
        ...


@dataclass(frozen=True)
class MazeCollector:
    """Episodes that begin at `start`, or evenly in the free cells as the environment's do."""

    squares: Squares
    start: tuple[float, float] | None = None
    repeat = 1

    def collect(
        self,
        model: MazeModel,
        goals: Float[Tensor, "s goals 2"] | None,
        exploring: Exploring,
        randoms: Sequence[np.random.Generator],
    ) -> ReplayBuffer:
        starts = self._starts(exploring.episodes, randoms)
        if goals is None:
            return collect(self.squares, starts, exploring.episode_steps, randoms)
        chances = goal_chances(model, self.squares, goals, exploring.temperature)
        turns = np.tile(np.arange(exploring.episodes) % goals.shape[1], (len(randoms), 1))
        return collect(self.squares, starts, exploring.episode_steps, randoms, chances, turns)

    def _starts(self, count: int, randoms: Sequence[np.random.Generator]) -> Float[np.ndarray, "s n 2"]:
        if self.start is not None:
            return np.tile(np.array(self.start), (len(randoms), count, 1))
        return np.stack([uniform_positions(self.squares.layout, count, random) for random in randoms])


def visited_goals(buffer: ReplayBuffer, randoms: Sequence[torch.Generator], count: int) -> Float[Tensor, "s goals 2"]:
    """rho(g): the places that a model visited, evenly."""
    return buffer.visited(count, randoms)


def free_goals(squares: Squares) -> Goals:
    """rho(g): all free squares, evenly; a reference, since it shows agents the map."""
    centres = torch.from_numpy(squares.centres).float()

    def goals(buffer: ReplayBuffer, randoms: Sequence[torch.Generator], count: int) -> Float[Tensor, "s goals 2"]:
        return centres[torch.stack([torch.randint(len(centres), (count,), generator=g) for g in randoms])]

    return goals


def one_goal(place: tuple[float, float]) -> Goals:
    """rho(g): always the same goal."""

    def goals(buffer: ReplayBuffer, randoms: Sequence[torch.Generator], count: int) -> Float[Tensor, "s goals 2"]:
        return torch.tensor(place).expand(len(randoms), 1, 2)

    return goals


def explore(
    collector: Collector,
    learner: Learner,
    exploring: Exploring,
    on_round: OnRound = lambda *_: None,
    goals: Goals | None = visited_goals,
    *,
    progress: bool = True,
) -> ReplayBuffer:
    """Explore and learn; after each round call `on_round(round, environment steps per model, model, buffer)`.

    `goals` None walks at random in all rounds.
    """
    walking = [np.random.default_rng([seed, 7]) for seed in learner.seeds]
    drawing = [generator(seed, 7) for seed in learner.seeds]
    steps = exploring.episodes * exploring.episode_steps * collector.repeat  # of the environment, in a round
    buffer: ReplayBuffer | None = None
    for number in trange(1, exploring.rounds + 1, desc="explore", unit="round", disable=not progress):
        aims = None if buffer is None or goals is None else goals(buffer, drawing, exploring.goals)
        walked = collector.collect(learner.model, aims, exploring, walking)
        buffer = walked if buffer is None else buffer.extended(walked, exploring.capacity)
        learner.fit(buffer, exploring.steps)
        on_round(number, number * steps, learner.model, buffer)
    assert buffer is not None
    return buffer


def learner_for(learning: Learning, objectives: Sequence[str], seeds: Sequence[int], words: int, steps: int) -> Learner:
    """A learner of every objective with every seed: models in the order of objectives, then seeds."""
    everyone = [seed for _ in objectives for seed in seeds]
    return Learner(learning, [name for name in objectives for _ in seeds], everyone, words, steps)
