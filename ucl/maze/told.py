"""Agents that are told one thing at one place: their walks (Fig. 11)."""

import numpy as np
import pandas as pd
from torch import Tensor

from ucl.maze.example import INSTRUCTION, START
from ucl.maze.geometry import place
from ucl.maze.language import Grammar
from ucl.maze.layouts import Layout
from ucl.maze.models import MazeModel, Tokenizer
from ucl.maze.planning import Distances
from ucl.maze.policies import Policy, TablePolicy, critic_tables, monte_carlo_scores
from ucl.maze.rollout import Episodes, rollout
from ucl.maze.state_grid import Squares

__all__ = ["walks"]

WALKS = 20  # per seed and policy


def walks(
    layout: Layout,
    model: MazeModel,
    tokenizer: Tokenizer,
    bank: Tensor,
    resolution: int,
    limit: int,
) -> pd.DataFrame:
    """Walks of direct and LogSumExp, told the example's instruction at its start (`ucl.maze.example`).

    Columns: policy, seed, walk, step, x, y, success.
    """
    squares = Squares(layout, resolution)
    cells = Grammar(layout).denotation(INSTRUCTION)[None]
    starts = place(layout, np.tile(START, (WALKS, 1)))
    episodes = Episodes(layout, cells, Distances(layout).fields(cells), starts, np.zeros(WALKS, dtype=np.intp))
    parts = []
    for seed, tables in enumerate(critic_tables(model, squares, tokenizer([INSTRUCTION]), bank)):
        scores = {"direct": tables.direct, "monte_carlo": monte_carlo_scores(tables)}
        for name, score in scores.items():
            policy = TablePolicy(squares, score, sample=True)
            parts.append(_walk(episodes, policy, limit, seed).assign(policy=name, seed=seed))
    return pd.concat(parts, ignore_index=True)


def _walk(episodes: Episodes, policy: Policy, limit: int, seed: int) -> pd.DataFrame:
    path: list[np.ndarray] = []
    success, steps = rollout(episodes, policy, limit, np.random.default_rng([seed, 5]), path)
    track = np.stack(path)  # [step, walk, 2]
    step, walk = np.indices(track.shape[:2]).reshape(2, -1)
    table = pd.DataFrame({"walk": walk, "step": step, "x": track[..., 0].ravel(), "y": track[..., 1].ravel()})
    return table[table["step"] <= steps[walk]].assign(success=lambda rows: success[rows["walk"]])
