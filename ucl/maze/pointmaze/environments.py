"""PointMaze of Gymnasium-Robotics and of OGBench: any number of points at once, each as their own `step` moves it.

Their environments hold one point. MuJoCo's `rollout` takes their model and many states in one call, which is several
times as fast a step, up to twenty; the tests hold the two against each other. Nothing is rendered, nothing downloaded.
"""

from typing import Any

import gymnasium
import gymnasium_robotics
import mujoco
import numpy as np
import ogbench
from jaxtyping import Float
from mujoco.rollout import rollout

from ucl.maze.layouts import Layout
from ucl.maze.points.world import Points

__all__ = ["ENVIRONMENTS", "ForcedPoints", "MovedPoints", "Simulated", "make"]

ENVIRONMENTS = {  # of OGBench the name of a data set, which is not fetched: that is how it makes an environment
    "umaze": "PointMaze_UMaze-v3",
    "medium": "PointMaze_Medium-v3",
    "large": "PointMaze_Large-v3",
    "ogbench_medium": "pointmaze-medium-navigate-v0",
    "ogbench_large": "pointmaze-large-navigate-v0",
    "ogbench_giant": "pointmaze-giant-navigate-v0",
}
POSITION, VELOCITY = slice(1, 3), slice(3, 5)  # in a state of MuJoCo, behind the time

gymnasium.register_envs(gymnasium_robotics)


def make(name: str) -> "Simulated":
    """The environment of that name among `ENVIRONMENTS`."""
    if name.startswith("ogbench"):
        return MovedPoints(name, ogbench.make_env_and_datasets(ENVIRONMENTS[name], env_only=True))
    return ForcedPoints(name, gymnasium.make(ENVIRONMENTS[name]))


class Simulated(Points):
    """Points in the model of an environment; what follows from its map and where its coordinates lie."""

    def __init__(
        self,
        name: str,
        env: gymnasium.Env,
        maze_map: Any,
        first: Float[np.ndarray, " 2"],
        unit: Float[np.ndarray, " 2"],
    ) -> None:
        """`first`: where their cell (1, 1) has its middle; `unit`: how long and which way a cell of `Layout` runs."""
        rows = np.array(maze_map)[1:-1, 1:-1] == 1  # without the border of wall
        self.layout = Layout.from_text("\n".join("".join(".#"[int(wall)] for wall in row) for row in rows), name)
        self.horizon = env.get_wrapper_attr("spec").max_episode_steps  # their `TimeLimit`
        self.origin, self.unit = first - unit / 2, unit
        self.model: mujoco.MjModel = env.get_wrapper_attr("model")
        self.data = mujoco.MjData(self.model)
        self.size = mujoco.mj_stateSize(self.model, mujoco.mjtState.mjSTATE_FULLPHYSICS)

    def simulate(
        self, positions: Float[np.ndarray, "n 2"], velocities: Any, controls: Float[np.ndarray, "n 2"], steps: int
    ) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2"]]:
        """`steps` of MuJoCo, all in its own coordinates; positions and velocities after them."""
        full = np.zeros((len(positions), self.size))
        full[:, POSITION], full[:, VELOCITY] = positions, velocities
        after = rollout(self.model, self.data, full, np.repeat(controls[:, None], steps, axis=1))[0][:, -1]
        return after[:, POSITION], after[:, VELOCITY]


class ForcedPoints(Simulated):
    """Gymnasium-Robotics: an action is a force on a ball, whose velocity is cut at 5 before every step."""

    velocities = 2
    reach = 0.45
    fastest = 5.0

    def __init__(self, name: str, env: gymnasium.Env) -> None:
        maze = env.get_wrapper_attr("maze")
        super().__init__(name, env, maze.maze_map, maze.cell_rowcol_to_xy(np.array([1, 1])), np.array([1.0, -1.0]))

    def step(
        self, states: Float[np.ndarray, "n state"], actions: Float[np.ndarray, "n 2"]
    ) -> Float[np.ndarray, "n state"]:
        velocities = np.clip(states[:, 2:] * self.unit, -self.fastest, self.fastest)
        positions, forces = self.origin + states[:, :2] * self.unit, np.clip(actions, -1, 1) * self.unit
        positions, velocities = self.simulate(positions, velocities, forces, 1)
        return np.concatenate([(positions - self.origin) / self.unit, velocities / self.unit], axis=1)


class MovedPoints(Simulated):
    """OGBench: an action moves the point, by 0.2 of its units (0.05 cells); contacts then push it out of walls."""

    velocities = 0
    reach = 0.25  # 1 of its units, of which a cell has 4
    length = 0.2

    def __init__(self, name: str, env: gymnasium.Env) -> None:
        first, length = np.array(env.get_wrapper_attr("ij_to_xy")((1, 1))), env.get_wrapper_attr("_maze_unit")
        self.substeps = env.get_wrapper_attr("frame_skip")
        super().__init__(name, env, env.get_wrapper_attr("maze_map"), first, np.full(2, length))

    def step(
        self, states: Float[np.ndarray, "n state"], actions: Float[np.ndarray, "n 2"]
    ) -> Float[np.ndarray, "n state"]:
        moved = self.origin + states * self.unit + self.length * actions
        positions, _ = self.simulate(moved, 0.0, np.zeros_like(actions), self.substeps)
        return (positions - self.origin) / self.unit
