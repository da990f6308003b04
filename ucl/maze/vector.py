"""Many mazes at once: what `LanguageMaze` does, for n agents in the same numpy operations.

Same seeds, same actions, same episodes, step by step, as `gymnasium.vector.SyncVectorEnv` over the single environment;
`gymnasium.make_vec` finds it by itself. Resets are `NEXT_STEP`: the step after an episode's last ignores its action and
returns the first observation of the next.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from jaxtyping import Bool, Float

from ucl.errors import InputError
from ucl.maze import geometry
from ucl.maze.environment import LanguageMaze
from ucl.maze.instructions import action_space, instructions_of, observation_space, radians
from ucl.maze.rendering import draw_frame

__all__ = ["LanguageMazeVector"]

Observations = dict[str, Any]


class LanguageMazeVector(VectorEnv[Observations, np.ndarray, np.ndarray]):
    """n agents in one maze, each with an instruction of its own.

    Arguments and options of `reset` are those of `LanguageMaze`; `max_episode_steps` cuts episodes off. In `infos`,
    `success` and `cells` are given for all; `distance`, which is costly, where `_distance` says so: at the first and
    the last step of an episode. `distances()` gives it for all at any time.
    """

    metadata: dict[str, Any] = {**LanguageMaze.metadata, "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int = 1,
        maze: str = "fork",
        split: str = "train",
        instruction: str | None = None,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise InputError(f"render_mode {render_mode!r}: many mazes have no window; allowed: rgb_array or None")
        self.num_envs = num_envs
        self.tasks = instructions_of(maze, split, instruction)
        self.layout = self.tasks.layout
        self.limit = np.inf if max_episode_steps is None else max_episode_steps
        self.render_mode = render_mode
        self.single_observation_space = observation_space(self.layout)
        self.single_action_space = action_space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._generators: list[Any] = [None] * num_envs
        self._positions = np.zeros((num_envs, 2))
        self._tasks = np.zeros(num_envs, dtype=np.intp)
        self._texts: list[str] = [""] * num_envs
        self._cells = np.zeros((num_envs, *self.layout.shape), dtype=bool)
        self._elapsed = np.zeros(num_envs, dtype=np.int64)
        self._over = np.zeros(num_envs, dtype=bool)
        self._success = np.zeros(num_envs, dtype=bool)
        self._ways: list[list[np.ndarray]] = [[] for _ in range(num_envs)]

    def reset(  # type: ignore[override]
        self, *, seed: int | Sequence[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Start an episode everywhere; agent i is seeded with `seed` + i, or with the i-th of a list."""
        for agent, own in enumerate(self._seeds(seed)):
            if own is not None or self._generators[agent] is None:
                self._generators[agent] = seeding.np_random(own)[0]
        everyone = np.ones(self.num_envs, dtype=bool)
        self._begin(everyone, options)
        self._success[:] = False
        self._remember()
        return self._observe(), self._infos(everyone)

    def step(self, actions: np.ndarray) -> tuple[Observations, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Go half a cell at each angle, or up to a wall; begin anew where the last step ended an episode."""
        if self._generators[0] is None:
            raise ResetNeeded("step before the first reset; expected reset() first")
        angles = radians(actions, self.num_envs)
        fresh = self._over.copy()
        moved = geometry.move(self.layout, self._positions, angles)
        self._positions = np.where(fresh[:, None], self._positions, moved)
        self._elapsed += 1
        self._success = self.tasks.success(self._positions, self._tasks) & ~fresh
        truncated = (self._elapsed >= self.limit) & ~fresh
        if fresh.any():
            self._begin(fresh)
        self._over = self._success | truncated
        self._remember()
        infos = self._infos(fresh | self._over)
        return self._observe(), self._success.astype(np.float64), self._success.copy(), truncated, infos

    def distances(self) -> Float[np.ndarray, " n"]:
        """Length of the shortest path that is left to every agent."""
        return self.tasks.fields.distances(self._positions, self._tasks)

    def render(self) -> tuple[np.ndarray, ...] | None:
        """A picture of every maze."""
        if self.render_mode is None:
            raise InputError("render: no render_mode was given; expected make_vec(..., render_mode='rgb_array')")
        return tuple(
            draw_frame(self.layout, cells, [np.stack(way)], text)
            for cells, way, text in zip(self._cells, self._ways, self._texts, strict=True)
        )

    def _seeds(self, seed: int | Sequence[int | None] | None) -> Sequence[int | None]:
        if seed is None:
            return [None] * self.num_envs
        seeds = [int(seed) + agent for agent in range(self.num_envs)] if isinstance(seed, int | np.integer) else seed
        if len(seeds) != self.num_envs:
            raise InputError(f"seed: got a list of {len(seeds)}; expected one number, or {self.num_envs}, one an agent")
        return seeds

    def _begin(self, where: Bool[np.ndarray, " n"], options: Mapping[str, Any] | None = None) -> None:
        agents = np.flatnonzero(where)
        generators = [self._generators[agent] for agent in agents.tolist()]
        tasks, self._positions[agents] = self.tasks.episodes(generators, options)
        for agent, task in zip(agents.tolist(), tasks.tolist(), strict=True):
            self._texts[agent] = self.tasks.texts[task]
        self._tasks[agents] = tasks
        self._cells[agents] = self.tasks.cells[tasks]
        self._elapsed[agents] = 0
        self._over[agents] = False

    def _remember(self) -> None:
        if self.render_mode is not None:
            for agent, steps in enumerate(self._elapsed.tolist()):
                self._ways[agent] = [*self._ways[agent][:steps], self._positions[agent]]

    def _observe(self) -> Observations:
        return {"position": self._positions.copy(), "instruction": tuple(self._texts)}

    def _infos(self, measured: Bool[np.ndarray, " n"]) -> dict[str, Any]:
        everyone = np.ones(self.num_envs, dtype=bool)
        distance = np.zeros(self.num_envs)
        left = measured & ~self._success
        distance[left] = self.tasks.fields.distances(self._positions[left], self._tasks[left])
        return {
            "success": self._success.copy(), "_success": everyone,
            "distance": distance, "_distance": measured,
            "cells": self._cells.copy(), "_cells": everyone.copy(),
        }  # fmt: skip
