"""The exact law of the pairs that a random-goal policy's walks give, by dynamic programming.

An episode starts evenly in the free cells, draws one goal of `goals` evenly, and takes `steps` steps by its policy
pi(a | s, g), a table on squares. Positions are discretised into finer squares by Ulam's method, as for the oracle
(`ucl.maze.occupancy`). For each goal, what follows within r steps obeys

    U_r(s, a) = sum_s' p(s' | s, a) (1[s'] + discount sum_a' pi(a' | s', g) U_(r-1)(s', a')),

and U_r over its sum is the future that `ReplayBuffer` draws r steps before the end of a walk: Q(s, a, .), cut off
where the walk is.
"""

import numpy as np
from jaxtyping import Float
from scipy.sparse import coo_array, csr_array

from ucl.maze.geometry import DIRECTIONS
from ucl.maze.state_grid import Squares

__all__ = ["pair_law"]


def pair_law(
    squares: Squares, chances: Float[np.ndarray, "squares goals actions"], fine: int, steps: int, discount: float
) -> Float[np.ndarray, "cells actions cells"]:
    """P(cell of s, action, cell of s+) of a transition drawn evenly from such walks, and its future state.

    `chances` are pi(a | s, g) on `squares`; the law is computed on squares `fine` times as many to the side of a cell.
    """
    grid = Squares(squares.layout, squares.resolution * fine)
    step = _transitions(grid)
    count, cells = len(grid.centres), len(grid.layout.cells)
    home = np.zeros((count, cells))
    home[np.arange(count), grid.cell] = 1.0
    coarse = squares.at(grid.centres)
    law = np.zeros((cells, len(DIRECTIONS), cells))
    for goal in range(chances.shape[1]):
        policy = chances[coarse, goal].astype(float)  # [count, actions]
        law += _law_of_goal(step, home, policy / policy.sum(1, keepdims=True), steps, discount)
    return law / chances.shape[1]


def _law_of_goal(
    step: csr_array,
    home: Float[np.ndarray, "squares cells"],
    policy: Float[np.ndarray, "squares actions"],
    steps: int,
    discount: float,
) -> Float[np.ndarray, "cells actions cells"]:
    count, actions = policy.shape
    futures, value = [], np.zeros_like(home)
    for left in range(1, steps + 1):
        future = (step @ (home + discount * value)).reshape(count, actions, -1)
        value = np.einsum("sa,sac->sc", policy, future)
        futures.append(future * (1 - discount) / (1 - discount**left))
    here, total = np.full(count, 1 / count), np.zeros((count, actions, home.shape[1]))
    for left in range(steps, 0, -1):
        taken = here[:, None] * policy
        total += taken[:, :, None] * futures[left - 1]
        here = taken.ravel() @ step
    return np.einsum("sb,sac->bac", home, total) / steps


def _transitions(grid: Squares) -> csr_array:
    """p(square after | square, action): [squares * actions, squares]."""
    here, points, _ = grid.points.shape
    after = grid.after(grid.points.reshape(-1, 2), DIRECTIONS).reshape(here, points, -1)
    rows = np.arange(here)[:, None, None] * len(DIRECTIONS) + np.arange(len(DIRECTIONS)) + np.zeros_like(after)
    entries = np.full(after.size, 1 / points), (rows.ravel(), after.ravel())
    return csr_array(coo_array(entries, shape=(here * len(DIRECTIONS), here)))
