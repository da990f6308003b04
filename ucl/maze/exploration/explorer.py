"""Rounds of walking and learning, all models of a maze stacked: a file to read from top to bottom.

A round walks every model's episodes, at first at random and from then on by the softmax of its own critic towards
goals drawn from rho(g), and trains the critics on all that is in the replay buffers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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

__all__ = ["Exploring", "Goals", "explore", "free_goals", "learner_for", "one_goal", "visited_goals"]

# rho(g): goals of every model, from its experience so far, its generator, and how many.
Goals = Callable[[Squares, ReplayBuffer, Sequence[torch.Generator], int], Float[Tensor, "s goals 2"]]
OnRound = Callable[[int, int, MazeModel, ReplayBuffer], None]


@dataclass(frozen=True)
class Exploring:
    """How agents gather experience."""

    rounds: int
    episodes: int  # per model and round
    episode_steps: int
    goals: int  # drawn per model and round; episodes share them
    temperature: float  # of the softmax over directions while exploring
    capacity: int  # episodes that a model's buffer holds
    steps: int  # of training per round


def visited_goals(
    squares: Squares, buffer: ReplayBuffer, randoms: Sequence[torch.Generator], count: int
) -> Float[Tensor, "s goals 2"]:
    """rho(g): the states that a model visited, evenly."""
    return buffer.states(count, randoms)


def free_goals(
    squares: Squares, buffer: ReplayBuffer, randoms: Sequence[torch.Generator], count: int
) -> Float[Tensor, "s goals 2"]:
    """rho(g): all free squares, evenly; a reference, since it shows agents the map."""
    rows = torch.stack([torch.randint(len(squares.centres), (count,), generator=g) for g in randoms])
    return torch.from_numpy(squares.centres).float()[rows]


def one_goal(place: tuple[float, float]) -> Goals:
    """rho(g): always the same goal."""

    def goals(
        squares: Squares, buffer: ReplayBuffer, randoms: Sequence[torch.Generator], count: int
    ) -> Float[Tensor, "s goals 2"]:
        return torch.tensor(place).expand(len(randoms), 1, 2)

    return goals


def explore(
    squares: Squares,
    learner: Learner,
    exploring: Exploring,
    on_round: OnRound = lambda *_: None,
    goals: Goals | None = visited_goals,
    start: tuple[float, float] | None = None,
    *,
    progress: bool = True,
) -> ReplayBuffer:
    """Explore and learn; after each round call `on_round(round, environment steps per model, model, buffer)`.

    Episodes begin at `start`, or evenly in the free cells as the environment's do. `goals` None walks at random in all
    rounds.
    """
    seeds = learner.seeds
    walking = [np.random.default_rng([seed, 7]) for seed in seeds]
    drawing = [generator(seed, 7) for seed in seeds]
    buffer: ReplayBuffer | None = None
    for number in trange(1, exploring.rounds + 1, desc="explore", unit="round", disable=not progress):
        starts = _starts(squares, exploring.episodes, walking, start)
        if buffer is None or goals is None:
            walked = collect(squares, starts, exploring.episode_steps, walking)
        else:
            aims = goals(squares, buffer, drawing, exploring.goals)
            chances = goal_chances(learner.model, squares, aims, exploring.temperature)
            turns = np.tile(np.arange(exploring.episodes) % aims.shape[1], (len(seeds), 1))
            walked = collect(squares, starts, exploring.episode_steps, walking, chances, turns)
        buffer = walked if buffer is None else buffer.extended(walked, exploring.capacity)
        learner.fit(buffer, exploring.steps)
        on_round(number, number * exploring.episodes * exploring.episode_steps, learner.model, buffer)
    assert buffer is not None
    return buffer


def _starts(
    squares: Squares, count: int, walking: Sequence[np.random.Generator], start: tuple[float, float] | None
) -> Float[np.ndarray, "s n 2"]:
    if start is not None:
        return np.tile(np.array(start), (len(walking), count, 1))
    return np.stack([uniform_positions(squares.layout, count, random) for random in walking])


def learner_for(learning: Learning, objectives: Sequence[str], seeds: Sequence[int], words: int, steps: int) -> Learner:
    """A learner of every objective with every seed: models in the order of objectives, then seeds."""
    everyone = [seed for _ in objectives for seed in seeds]
    return Learner(learning, [name for name in objectives for _ in seeds], everyone, words, steps)
