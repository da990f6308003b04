"""Q(s, a, g) = exp(f(s, a, g)) rho(g), checked: a policy's walks and a critic learned from them, against the exact law.

Q and rho are given cell by cell: what follows an action in a cell. `rho` is the law of all future states, from which
mismatched pairs take theirs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.stats import binom
from torch import Tensor

from ucl.errors import InputError
from ucl.maze import geometry
from ucl.maze.exploration.collecting import collect
from ucl.maze.exploration.learner import Learner, Learning
from ucl.maze.exploration.occupancy import pair_law
from ucl.maze.exploration.replay import ReplayBuffer
from ucl.maze.geometry import DIRECTIONS
from ucl.maze.layouts import Layout
from ucl.maze.state_grid import Squares
from ucl.maze.walks import uniform_positions
from ucl.runtime import generator

__all__ = ["Checked", "check_identity"]

ENOUGH = 10  # expected successes and failures: fewer tell little
ANCHORS = 3000  # held-out pairs at which the critic is read
Law = Float[np.ndarray, "cells actions cells"]


@dataclass(frozen=True)
class Checked:
    """Distances are total variation of Q(s, a, .), the mean over the policy's own (cell, action)."""

    bins: int  # (cell, action, cell) that are drawn often enough to tell something
    within: (
        float  # the share of them counted, from independent walks, as often as 95 % of binomial draws of the exact Q
    )
    counted: float  # distance of what was counted, the best table exp(f) rho that these draws allow, to the exact Q
    learned: float  # distance of the learned exp(f) rho to the exact Q
    chance: float  # distance of rho, f = 0, to the exact Q
    mass: float  # the mean of exp(f) over mismatched pairs: 1 for a density ratio


def check_identity(
    squares: Squares,
    chances: Float[np.ndarray, "squares goals actions"],
    episode_steps: int,
    recipe: Learning,
    *,
    discount: float,
    walks: int,
    steps: int,
    fine: int,
    seed: int,
) -> Checked:
    """Walk the policy (cumulative `chances`), learn its Q by binary NCE, and solve for the exact one."""
    layout, goals = squares.layout, chances.shape[1]
    random = np.random.default_rng([seed, 13])
    starts, aims = uniform_positions(layout, 2 * walks, random)[None], random.integers(goals, size=(1, 2 * walks))
    walked = collect(squares, starts, episode_steps, [random], chances[None], aims)
    seen, held_out = (
        ReplayBuffer(walked.positions[:, part], walked.angles[:, part]) for part in (slice(walks), slice(walks, None))
    )
    policy = np.diff(chances.astype(float), axis=-1, prepend=0.0)
    exact = pair_law(squares, policy, fine, episode_steps, discount)
    counts = _counted(layout, seen, discount, seed)
    learned, mass = _learned(layout, seen, held_out, discount, recipe, steps, seed)
    rho = np.broadcast_to(exact.sum((0, 1)), exact.shape)
    trials, q = counts.sum(-1, keepdims=True), _conditional(exact)
    enough = (trials * q >= ENOUGH) & (trials * (1 - q) >= ENOUGH)
    if not enough.any():
        raise InputError(f"identity: {walks} walks are too few for an interval anywhere; expected some thousands")
    low, high = binom.interval(0.95, trials, q)
    held = (low <= counts) & (counts <= high)
    weight = exact.sum(-1)
    return Checked(
        bins=int(enough.sum()),
        within=float(held[enough].mean()),
        counted=_distance(_conditional(counts), q, weight),
        learned=_distance(learned, q, weight),
        chance=_distance(rho, q, weight),
        mass=mass,
    )


def _counted(layout: Layout, walks: ReplayBuffer, discount: float, seed: int) -> Law:
    states, angles, ahead = walks.one_each(discount, [generator(seed, 14)])
    counts = np.zeros((len(layout.cells), len(DIRECTIONS), len(layout.cells)))
    np.add.at(counts, (_cell(layout, states[0]), _action(angles[0]), _cell(layout, ahead[0])), 1)
    return counts


def _learned(
    layout: Layout, seen: ReplayBuffer, held_out: ReplayBuffer, discount: float, recipe: Learning, steps: int, seed: int
) -> tuple[Law, float]:
    learner = Learner(replace(recipe, discount=discount), ["binary_nce"], [seed], 2, steps)
    learner.fit(seen, steps)
    randoms: Sequence[torch.Generator] = [generator(seed, 15)]
    states, angles, _ = held_out.sample(ANCHORS, discount, randoms)
    goals = held_out.sample(ANCHORS, discount, randoms)[2]
    with torch.no_grad():
        logits = learner.model.critic_future(
            learner.model.encode_actions(states, angles[..., None])[:, :, 0], learner.model.encode_state(goals)
        )
        ratio = (logits + learner.offset[:, None, None]).exp()[0].double().numpy()
    cells, actions = len(layout.cells), len(DIRECTIONS)
    here = np.eye(cells * actions)[_cell(layout, states[0]) * actions + _action(angles[0])]
    there = np.eye(cells)[_cell(layout, goals[0])]
    summed = here.T @ ratio @ there / ANCHORS
    each = np.maximum(here.sum(0), 1)[:, None]
    return (summed / each).reshape(cells, actions, cells), float(ratio.mean())


def _conditional(law: Law) -> Law:
    return law / np.maximum(law.sum(-1, keepdims=True), 1e-300)


def _distance(x: Law, y: Law, weight: Float[np.ndarray, "cells actions"]) -> float:
    there = x.sum(-1) > 0  # seldom taken actions may not have been drawn
    return float(np.average(np.abs(x - y).sum(-1)[there] / 2, weights=weight[there]))


def _cell(layout: Layout, positions: Float[Tensor, "n 2"]) -> Int[np.ndarray, " n"]:
    return layout.index[geometry.cells_of(positions.double().numpy())]


def _action(angles: Float[Tensor, " n"]) -> Int[np.ndarray, " n"]:
    turn = np.round(angles.numpy() / (2 * np.pi / len(DIRECTIONS))).astype(int)
    return turn % len(DIRECTIONS)
