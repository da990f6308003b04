"""PointMaze of Gymnasium-Robotics and of OGBench: any number of points at once, each as their own `step` moves it.

MuJoCo's `rollout` takes their model and many states in one call, some twenty times as fast as their `step`, which
holds one point; the tests hold the two against each other. Coordinates here are those of `Layout`: x right along the
columns, y down along the rows, in cells, the border of wall left away.
"""

from abc import ABC, abstractmethod
from typing import Any

import gymnasium
import gymnasium_robotics
import mujoco
import numpy as np
import ogbench
from jaxtyping import Float
from mujoco.rollout import rollout

from ucl.maze.layouts import Layout

__all__ = ["ForcedPoints", "MovedPoints", "Points", "make"]

NOISE = 0.25  # of a start and of a goal around the middle of its cell, in cells, in both packages
POSITION, VELOCITY = slice(1, 3), slice(3, 5)  # in a state of MuJoCo, behind the time

gymnasium.register_envs(gymnasium_robotics)


def make(name: str) -> "Points":
    """The environment of that name: a key of `ucl.experiments.explore.config.PointMazeName`."""
    if name == "ogbench_medium":
        return MovedPoints(name, ogbench.make_env_and_datasets("pointmaze-medium-navigate-v0", env_only=True))
    return ForcedPoints(name, gymnasium.make({"umaze": "PointMaze_UMaze-v3", "medium": "PointMaze_Medium-v3"}[name]))


class Points(ABC):
    """n points in one maze, which do not meet. A state is x and y in cells, and velocities where a point has any."""

    velocities: int  # numbers of a state behind x and y
    reach: float  # a goal is reached at this distance, in cells: the environment's own rule

    def __init__(
        self,
        name: str,
        env: gymnasium.Env,
        maze_map: Any,
        first: Float[np.ndarray, " 2"],
        unit: Float[np.ndarray, " 2"],
    ) -> None:
        """`first`: where their cell (1, 1) has its middle; `unit`: how long and which way a cell of `Layout` runs."""
        rows = np.array(maze_map)[1:-1, 1:-1] == 1
        self.layout = Layout.from_text("\n".join("".join(".#"[int(wall)] for wall in row) for row in rows), name)
        self.env, self.origin, self.unit = env, first - unit / 2, unit
        assert env.spec is not None and env.spec.max_episode_steps is not None
        self.horizon = env.spec.max_episode_steps  # steps after which their `TimeLimit` ends an episode
        self.model: mujoco.MjModel = env.unwrapped.model  # type: ignore[attr-defined]
        self._data = mujoco.MjData(self.model)
        self._size = mujoco.mj_stateSize(self.model, mujoco.mjtState.mjSTATE_FULLPHYSICS)

    @abstractmethod
    def step(
        self, states: Float[np.ndarray, "n state"], actions: Float[np.ndarray, "n 2"]
    ) -> Float[np.ndarray, "n state"]:
        """One step of the environment; actions are (right, down), each number within [-1, 1]."""

    def starts(self, count: int, random: np.random.Generator) -> Float[np.ndarray, "n state"]:
        """At rest around the middle of evenly drawn cells, as their `reset` does it."""
        return np.pad(self.places(random.integers(len(self.layout.cells), size=count), random), self._at_rest)

    def places(self, cells: Any, random: np.random.Generator) -> Float[np.ndarray, "n 2"]:
        """Around the middles of these cells."""
        return self.layout.cells[cells, ::-1] + 0.5 + random.uniform(-NOISE, NOISE, (len(cells), 2))

    def arrived(
        self, states: Float[np.ndarray, "n state"], goals: Float[np.ndarray, "n 2"]
    ) -> "np.ndarray":  # bool [n]
        """Whether each point is at its goal."""
        return np.linalg.norm(states[:, :2] - goals, axis=1) <= self.reach

    @property
    def _at_rest(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return (0, 0), (0, self.velocities)

    def _simulate(
        self, positions: Float[np.ndarray, "n 2"], velocities: Any, controls: Float[np.ndarray, "n 2"], steps: int
    ) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2"]]:
        """`steps` of MuJoCo, all in its own coordinates; positions and velocities after them."""
        full = np.zeros((len(positions), self._size))
        full[:, POSITION], full[:, VELOCITY] = positions, velocities
        after = rollout(self.model, self._data, full, np.repeat(controls[:, None], steps, axis=1))[0][:, -1]
        return after[:, POSITION], after[:, VELOCITY]


class ForcedPoints(Points):
    """Gymnasium-Robotics: an action is a force on a ball, whose velocity is cut at 5 before every step."""

    velocities = 2
    reach = 0.45
    fastest = 5.0

    def __init__(self, name: str, env: gymnasium.Env) -> None:
        env.reset(seed=0)
        maze = env.unwrapped.maze  # type: ignore[attr-defined]
        super().__init__(name, env, maze.maze_map, maze.cell_rowcol_to_xy(np.array([1, 1])), np.array([1.0, -1.0]))

    def step(
        self, states: Float[np.ndarray, "n state"], actions: Float[np.ndarray, "n 2"]
    ) -> Float[np.ndarray, "n state"]:
        velocity = np.clip(states[:, 2:] * self.unit, -self.fastest, self.fastest)
        at, velocity = self._simulate(
            self.origin + states[:, :2] * self.unit, velocity, np.clip(actions, -1, 1) * self.unit, 1
        )
        return np.concatenate([(at - self.origin) / self.unit, velocity / self.unit], axis=1)


class MovedPoints(Points):
    """OGBench: an action moves the point itself, by 0.2 of its units (0.05 cells); contacts then push it out of walls."""

    velocities = 0
    reach = 1.0 / 4.0
    length = 0.2

    def __init__(self, name: str, env: gymnasium.Env) -> None:
        env.reset(seed=0)
        own: Any = env.unwrapped
        super().__init__(name, env, own.maze_map, np.array(own.ij_to_xy((1, 1))), np.full(2, own._maze_unit))

    def step(
        self, states: Float[np.ndarray, "n state"], actions: Float[np.ndarray, "n 2"]
    ) -> Float[np.ndarray, "n state"]:
        moved = self.origin + states * self.unit + self.length * actions
        at, _ = self._simulate(moved, 0.0, np.zeros_like(actions), self.env.unwrapped.frame_skip)  # type: ignore[attr-defined]
        return (at - self.origin) / self.unit
