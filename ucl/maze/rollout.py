"""How well agents do what they are told: success, steps, SPL; interquartile means over seeds and instructions."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from ucl.maze import geometry
from ucl.maze.layouts import Layout
from ucl.maze.planning import Distances, Fields
from ucl.maze.policies import Policy

__all__ = ["Episodes", "rollout", "sample_episodes", "score_policy"]


@dataclass(frozen=True, eq=False)
class Episodes:
    """Starts for every task, and the exact length of the shortest path from each."""

    layout: Layout
    cells: Bool[np.ndarray, "tasks rows columns"]
    fields: Fields
    starts: Float[np.ndarray, "n 2"]
    tasks: Int[np.ndarray, " n"]

    @cached_property
    def shortest(self) -> Float[np.ndarray, " n"]:
        """The fewest steps that can cover the continuous shortest path to the nearest denoted cell; at least 1."""
        return np.maximum(np.ceil(self.fields.distances(self.starts, self.tasks) / geometry.STEP), 1)

    def only(self, tasks: Bool[np.ndarray, " tasks"]) -> "Episodes":
        """The episodes of some of the tasks, which keep their numbers."""
        chosen = tasks[self.tasks]
        return replace(self, starts=self.starts[chosen], tasks=self.tasks[chosen])


def sample_episodes(
    layout: Layout, cells: Bool[np.ndarray, "tasks rows columns"], starts: int, random: np.random.Generator
) -> Episodes:
    """`starts` positions per task, even over the free cells that it does not denote."""
    tasks = np.repeat(np.arange(len(cells)), starts)
    positions = []
    for mask in cells:
        outside = layout.cells[~mask[layout.free]]
        chosen = outside[random.integers(len(outside), size=starts)]
        positions.append(geometry.place(layout, chosen[:, ::-1] + random.random((starts, 2))))
    return Episodes(layout, cells, Distances(layout).fields(cells), np.concatenate(positions), tasks)


def rollout(
    episodes: Episodes, policy: Policy, limit: int, random: np.random.Generator, path: list[np.ndarray] | None = None
) -> tuple[Bool[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Walk all episodes for at most `limit` steps; returns success and the number of steps taken.

    `path`, if given, receives the positions [n, 2] before every step and at the end.
    """
    positions, kept = episodes.starts.copy(), policy.begin(episodes.tasks, random)
    steps, going = np.full(len(positions), limit), np.arange(len(positions))
    success = np.zeros(len(positions), dtype=bool)
    for step in range(1, limit + 1):
        if path is not None:
            path.append(positions.copy())
        angles = policy.act(positions[going], kept[going], random)
        moved = geometry.move(episodes.layout, positions[going], angles)
        positions[going] = moved
        arrived = episodes.cells[(episodes.tasks[going], *geometry.cells_of(moved))]
        success[going[arrived]], steps[going[arrived]] = True, step
        going = going[~arrived]
        if not len(going):
            break
    if path is not None:
        path.append(positions)
    return success, steps


def score_policy(episodes: Episodes, policy: Policy, limit: int, random: np.random.Generator) -> pd.DataFrame:
    """Success, steps and SPL per task, each a mean over its starts.

    SPL (Anderson et al. 2018) in steps: success times shortest / max(shortest, taken).
    """
    success, steps = rollout(episodes, policy, limit, random)
    spl = success * episodes.shortest / np.maximum(episodes.shortest, steps)
    each = pd.DataFrame({"task": episodes.tasks, "success": success.astype(float), "steps": steps, "spl": spl})
    return each.groupby("task", as_index=False).mean()
