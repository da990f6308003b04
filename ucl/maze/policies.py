"""Ways to act on an instruction: a score for every square, candidate direction and task, turned into actions.

All learned policies read the same two critics: f((s, a), s+) of actions against states and f(s, words). Scores are
tabulated on the middle of squares (`ucl.maze.state_grid`): an agent knows its position to 1 / resolution of a cell.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ucl.core.bridge import log_sum_exp_scores
from ucl.maze.geometry import DIRECTIONS
from ucl.maze.models import MazeModel
from ucl.maze.planning import Fields
from ucl.maze.state_grid import Squares

__all__ = [
    "CriticTables",
    "Policy",
    "RandomPolicy",
    "ShortestPath",
    "TablePolicy",
    "best_state_scores",
    "critic_tables",
    "exact_scores",
    "monte_carlo_scores",
    "pick",
]

ROWS = 1000  # actions whose sums with the words `best_state_scores` holds at once


@dataclass(frozen=True, eq=False)
class CriticTables:
    """All that policies need of one model: critics between squares' actions, a bank of states, and the tasks' words."""

    direct: Float[Tensor, "squares actions tasks"]  # the words' critic between actions and words
    future: Float[Tensor, "squares actions bank"]
    words: Float[Tensor, "tasks bank"]


@torch.no_grad()
def critic_tables(
    model: MazeModel, squares: Squares, ids: Int[Tensor, "tasks length"], bank: Float[Tensor, "bank 2"]
) -> list[CriticTables]:
    """The tables of every seed; `bank` holds states drawn as future states are in the data."""
    seeds = len(model.log_scale)
    centres = torch.from_numpy(squares.centres).float()
    angles = torch.from_numpy(DIRECTIONS).float().expand(seeds, len(centres), -1)
    actions = model.encode_actions(centres.expand(seeds, -1, -1), angles)
    states = model.encode_state(bank.expand(seeds, -1, -1))
    words = model.encode_words(ids.expand(seeds, -1, -1))
    shape = actions.shape[1:3]
    future = model.critic_future(actions.flatten(1, 2), states)
    direct = model.critic_words(actions.flatten(1, 2), words)
    spoken = model.critic_words(words, states)
    return [CriticTables(direct[s].unflatten(0, shape), future[s].unflatten(0, shape), spoken[s]) for s in range(seeds)]


def monte_carlo_scores(tables: CriticTables) -> Float[Tensor, "squares actions tasks"]:
    """Lemma 1: log mean over the bank of exp(f((s, a), b) + f(b, words))."""
    flat = log_sum_exp_scores(tables.future.flatten(0, 1), tables.words)
    return flat.unflatten(0, tables.future.shape[:2])


def best_state_scores(tables: CriticTables) -> Float[Tensor, "squares actions tasks"]:
    """Relevance times affordance of the best single state (SayCan): the maximum in place of the sum."""
    future = tables.future.flatten(0, 1)
    best = future.new_empty(len(future), len(tables.words))
    both = future.new_empty(ROWS, future.shape[1])  # one small buffer for all sums: twice as fast as fresh memory
    for rows, result in zip(future.split(ROWS), best.split(ROWS), strict=True):
        for task, words in enumerate(tables.words):
            result[:, task] = torch.add(rows, words, out=both[: len(rows)]).amax(-1)
    return best.unflatten(0, tables.future.shape[:2])


def exact_scores(
    occupancy: Float[Tensor, "squares actions cells"], relevance: Float[Tensor, "tasks cells"]
) -> Float[Tensor, "squares actions tasks"]:
    """The same LogSumExp with exact critics and every cell as the bank.

    `occupancy` is p(cell | s, a), or p(cell, a | s) where negatives among actions teach that; `relevance` is
    p(words | cell) up to a factor per task.
    """
    tiny = torch.finfo(torch.float32).tiny
    scores = log_sum_exp_scores(occupancy.flatten(0, 1).clamp_min(tiny).log(), relevance.clamp_min(tiny).log())
    return scores.unflatten(0, occupancy.shape[:2])


@runtime_checkable
class Policy(Protocol):
    """Chooses an angle (radians) for every agent."""

    def begin(self, tasks: Int[np.ndarray, " n"], random: np.random.Generator) -> Int[np.ndarray, " n"]:
        """What each agent keeps in mind during its episode: a column of the policy's table."""
        ...

    def act(
        self, positions: Float[np.ndarray, "n 2"], kept: Int[np.ndarray, " n"], random: np.random.Generator
    ) -> Float[np.ndarray, " n"]:
        """Angles of the next step."""
        ...


class RandomPolicy:
    """Any direction, evenly."""

    def begin(self, tasks: Int[np.ndarray, " n"], random: np.random.Generator) -> Int[np.ndarray, " n"]:
        return tasks

    def act(
        self, positions: Float[np.ndarray, "n 2"], kept: Int[np.ndarray, " n"], random: np.random.Generator
    ) -> Float[np.ndarray, " n"]:
        return random.choice(DIRECTIONS, size=len(positions))


class ShortestPath:
    """Straight along the exact shortest path to the nearest denoted cell: the ceiling."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields

    def begin(self, tasks: Int[np.ndarray, " n"], random: np.random.Generator) -> Int[np.ndarray, " n"]:
        return tasks

    def act(
        self, positions: Float[np.ndarray, "n 2"], kept: Int[np.ndarray, " n"], random: np.random.Generator
    ) -> Float[np.ndarray, " n"]:
        towards = self.fields.waypoints(positions, kept) - positions
        return np.arctan2(towards[:, 1], towards[:, 0])


class TablePolicy:
    """Acts on a table of scores: the best direction, or one drawn in proportion to the exponentiated score."""

    def __init__(
        self,
        squares: Squares,
        scores: Float[Tensor, "squares actions tasks"],
        *,
        sample: bool,
        goals: Tensor | None = None,
    ) -> None:
        self.squares, self.sample, self.goals = squares, sample, goals
        if sample:
            chances = scores.softmax(1).cumsum(1).transpose(1, 2)
            self.cumulative = chances.contiguous().numpy()  # [squares, tasks, actions]
        else:
            self.best = scores.argmax(1).numpy()

    def begin(self, tasks: Int[np.ndarray, " n"], random: np.random.Generator) -> Int[np.ndarray, " n"]:
        """The task; or, with `goals` [tasks, columns] (log weights), a column drawn for the task: one sampled goal."""
        if self.goals is None:
            return tasks
        cumulative = self.goals.double().softmax(-1).cumsum(-1).numpy()
        return pick(cumulative[tasks], random.random(len(tasks)))

    def act(
        self, positions: Float[np.ndarray, "n 2"], kept: Int[np.ndarray, " n"], random: np.random.Generator
    ) -> Float[np.ndarray, " n"]:
        here = self.squares.at(positions)
        if self.sample:
            return DIRECTIONS[pick(self.cumulative[here, kept], random.random(len(here)))]
        return DIRECTIONS[self.best[here, kept]]


def pick(cumulative: Float[np.ndarray, "n k"], uniform: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """One index per row, from cumulative chances and a number in [0, 1) each."""
    return np.minimum((cumulative <= uniform[:, None]).sum(1), cumulative.shape[1] - 1)
