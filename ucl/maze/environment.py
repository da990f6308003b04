"""The maze as a Gymnasium environment: walk, by angles, to any of the cells that an instruction denotes.

Observation: position (x, y) and instruction. Action: an angle in half turns (Gymnasium wants actions within -1 and 1):
0 right, 0.5 down, 1 or -1 left, -0.5 up; every step is 0.5 long or ends at the first touch of a wall. Reward: 1 on
entering a denoted cell, which ends the episode, else 0.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs

from ucl.errors import InputError
from ucl.maze import geometry
from ucl.maze.instructions import action_space, instructions_of, observation_space, radians
from ucl.maze.rendering import Window, draw_frame

__all__ = ["DiscreteActions", "LanguageMaze"]

Observation = dict[str, Any]


class LanguageMaze(gymnasium.Env[Observation, np.ndarray]):
    """One agent in one maze.

    `maze`: a name of `ucl.maze.layouts.MAZES`, or a text map. `split`: the phrases that episodes draw from (`train`,
    `test_wording`, `test_composition`); `instruction`: always this one instead. `reset` takes the options
    `instruction` and `position`. `info`: `success`, `distance` (the length of the shortest path that is left) and
    `cells` (the denoted cells). Raises `InputError` for a maze, instruction, position or angle that cannot be.
    """

    metadata: dict[str, Any] = {"render_modes": ["human", "rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(
        self,
        maze: str = "fork",
        split: str = "train",
        instruction: str | None = None,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise InputError(f"render_mode {render_mode!r}: unknown; allowed: human, rgb_array or None")
        self.tasks = instructions_of(maze, split, instruction)
        self.layout = self.tasks.layout
        self.observation_space = observation_space(self.layout)
        self.action_space = action_space()
        self.render_mode = render_mode
        self._window: Window | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode."""
        super().reset(seed=seed)
        task, start = self.tasks.episodes([self.np_random], options)
        self._task, self._way = int(task[0]), [start[0]]
        return self._state()

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Go half a cell at an angle of `action` half turns, or up to a wall."""
        self._way.append(geometry.move(self.layout, self._way[-1][None], radians(action, 1))[0])
        observation, info = self._state()
        return observation, float(info["success"]), info["success"], False, info

    def _state(self) -> tuple[Observation, dict[str, Any]]:
        position, task = self._way[-1][None], np.array([self._task])
        observation = {"position": position[0].copy(), "instruction": self.tasks.texts[self._task]}
        info = {
            "success": bool(self.tasks.success(position, task)[0]),
            "distance": float(self.tasks.fields.distances(position, task)[0]),
            "cells": self.tasks.cells[self._task].copy(),
        }
        if self.render_mode == "human":
            self.render()
        return observation, info

    def render(self) -> np.ndarray | None:  # type: ignore[override]
        """The maze, the denoted cells, and the agent's way: as an array, or in a window."""
        if self.render_mode is None:
            raise InputError("render: no render_mode was given; expected gymnasium.make(..., render_mode='rgb_array')")
        frame = draw_frame(
            self.layout, self.tasks.cells[self._task], [np.stack(self._way)], self.tasks.texts[self._task]
        )
        if self.render_mode == "rgb_array":
            return frame
        self._window = self._window or Window(frame.shape)
        self._window.show(frame, self.metadata["render_fps"])
        return None

    def close(self) -> None:
        """Close the window, if one is open."""
        if self._window is not None:
            self._window.close()
            self._window = None


class DiscreteActions(gymnasium.ActionWrapper, RecordConstructorArgs):
    """The paper's sixteen candidate directions as actions 0 to 15: 0 right, 4 down, 8 left, 12 up."""

    def __init__(self, env: gymnasium.Env) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.ActionWrapper.__init__(self, env)
        self.action_space = spaces.Discrete(len(geometry.DIRECTIONS))

    def action(self, action: int) -> np.ndarray:
        """The angle of a direction, in half turns."""
        return geometry.DIRECTIONS[[int(action)]] / np.pi
