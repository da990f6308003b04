"""How well agents reach points: success, SPL, and whether their critics order points as exact distances do."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy.stats import spearmanr
from torch import Tensor

from ucl.maze.exploration.collecting import goal_scores
from ucl.maze.models import MazeModel
from ucl.maze.policies import Policy, TablePolicy
from ucl.maze.rollout import Episodes, sample_episodes, score_policy
from ucl.maze.state_grid import Squares

__all__ = [
    "Reaching",
    "coverage",
    "learned_distances",
    "rank_correlation",
    "reach",
    "score_reaching",
]


class Reaching:
    """Pairs of a start and a point to reach, the same for all agents: a point is reached in the cell that holds it."""

    def __init__(self, squares: Squares, pairs: int, random: np.random.Generator) -> None:
        layout = squares.layout
        self.squares = squares
        cells = random.integers(len(layout.cells), size=pairs)
        corner = layout.cells[cells]
        masks = np.zeros((pairs, *layout.shape), dtype=bool)
        masks[np.arange(pairs), corner[:, 0], corner[:, 1]] = True
        self.goals: Float[np.ndarray, "pairs 2"] = corner[:, ::-1] + 0.05 + 0.9 * random.random((pairs, 2))
        self.episodes: Episodes = sample_episodes(layout, masks, 1, random)

    @cached_property
    def distances(self) -> Float[np.ndarray, " pairs"]:
        """Exact: the length of the shortest path from every start into the cell of its goal."""
        return self.episodes.fields.distances(self.episodes.starts, self.episodes.tasks)


def score_reaching(test: Reaching, policy: Policy, limit: int, seed: int) -> pd.DataFrame:
    """Success, steps and SPL per pair (column `task`)."""
    return score_policy(test.episodes, policy, limit, np.random.default_rng([seed, 8]))


def reach(test: Reaching, model: MazeModel, temperature: float, limit: int, seeds: Sequence[int]) -> pd.DataFrame:
    """Every model on every pair: seed, task, success, steps, spl, and `spearman` of the model's distances."""
    goals = torch.from_numpy(test.goals).float().expand(len(seeds), -1, -1)
    parts = []
    for seed, scores in zip(seeds, goal_scores(model, test.squares, goals), strict=True):
        policy = TablePolicy(test.squares, scores / temperature, sample=True)
        rank = rank_correlation(test, learned_distances(test, scores))
        parts.append(score_reaching(test, policy, limit, seed).assign(seed=seed, spearman=rank))
    return pd.concat(parts, ignore_index=True)


def learned_distances(test: Reaching, scores: Float[Tensor, "squares actions goals"]) -> Float[np.ndarray, " pairs"]:
    """log p(g | g) / p(g | s) of every pair, with p(g | s) the mean of exp f((s, a), g) over directions."""
    level = scores.logsumexp(1).numpy()  # [squares, goals]
    pair = np.arange(len(test.goals))
    here, there = test.squares.at(test.episodes.starts), test.squares.at(test.goals)
    return level[there, pair] - level[here, pair]


def rank_correlation(test: Reaching, distances: Float[np.ndarray, " pairs"]) -> float:
    """Spearman's correlation with exact distances."""
    return float(spearmanr(distances, test.distances).statistic)


def coverage(squares: Squares, positions: Float[Tensor, "s n steps 2"]) -> Float[np.ndarray, " s"]:
    """The share of squares that each model has visited."""
    at = squares.at(positions.double().numpy()).reshape(len(positions), -1)
    return np.array([len(np.unique(mine)) for mine in at]) / len(squares.centres)
