"""MuJoCo's PointMazes, many points at once, against the environments' own `step`, `reset` and rules."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from ucl.maze import layouts

if not all(map(find_spec, ("gymnasium_robotics", "mujoco", "ogbench"))):
    pytest.skip("needs MuJoCo's PointMazes: pip install 'ucl[pointmaze]'", allow_module_level=True)

from ucl.experiments.explore.config import PointMaze
from ucl.experiments.explore.names import POINT_PLACES
from ucl.maze.pointmaze.environments import ENVIRONMENTS, Simulated, make

STEPS = 150
gymnasium: Any = pytest.importorskip("gymnasium")


def own_environment(name: str) -> Any:
    """Theirs, apart from the one that is looked at."""
    if name.startswith("ogbench"):
        import ogbench

        return ogbench.make_env_and_datasets(ENVIRONMENTS[name], env_only=True).unwrapped
    return gymnasium.make(ENVIRONMENTS[name]).unwrapped


def coordinates(points: Simulated, states: np.ndarray) -> np.ndarray:
    """States of `Layout` in the environment's coordinates, velocities included."""
    positions, velocities = points.origin + states[..., :2] * points.unit, states[..., 2:]
    return np.concatenate([positions, velocities * points.unit[: velocities.shape[-1]]], axis=-1)


def walls_of(env: Any, points: Simulated) -> set[tuple[int, int]]:
    """Row and column of every block that stands in the environment's model, by where it stands."""
    names = [env.model.geom(number).name for number in range(env.model.ngeom)]
    at = np.array([env.model.geom(name).pos[:2] for name in names if name.startswith("block_")])
    return {(row, column) for column, row in np.floor((at - points.origin) / points.unit).astype(int)}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_points_move_as_one_by_one_in_the_environment_itself(name: str) -> None:
    points, env, random = make(name), own_environment(name), np.random.default_rng(0)
    env.reset(seed=0)
    states = points.starts(3, random)
    pushes = np.repeat(random.uniform(-1.2, 1.2, (STEPS // 15, 3, 2)), 15, axis=0)  # long enough to lean on walls
    track = [states]
    for push in pushes:
        track.append(points.step(track[-1], push))
    theirs = pushes * np.sign(points.unit)
    for number, start in enumerate(coordinates(points, states)):
        if name.startswith("ogbench"):
            env.set_xy(start)
            moved = [env.step(push)[0] for push in theirs[:, number]]
        else:
            env.point_env.set_state(start[:2], start[2:])
            moved = [env.step(push)[0]["observation"] for push in theirs[:, number]]
        expected = coordinates(points, np.array([at[number] for at in track[1:]]))
        np.testing.assert_allclose(moved, expected, atol=1e-9)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_map_coordinates_and_rules_are_the_environments(name: str) -> None:
    points, env = make(name), own_environment(name)
    if (known := name.removeprefix("ogbench_")) in layouts.MAZES:
        other = np.argwhere(layouts.get(known).free != points.layout.free).tolist()
        assert other == ([[3, 8]] if known == "large" else [])  # as docs/maze.md says
    middles = coordinates(points, points.layout.cells[:, ::-1] + 0.5)
    if name.startswith("ogbench"):
        theirs = [env.ij_to_xy(tuple(cell + 1)) for cell in points.layout.cells]
        assert points.reach == env._goal_tol / env._maze_unit
        noise = env._noise / env._maze_unit
        assert points.horizon == 1000
    else:
        theirs = [env.maze.cell_rowcol_to_xy(cell + 1) for cell in points.layout.cells]
        goal = np.zeros(2)
        for away in (points.reach - 1e-6, points.reach + 1e-6):
            ours = points.arrived(np.array([[away, 0.0, 0.0, 0.0]]), goal[None])[0]
            assert ours == (env.compute_reward(np.array([away, 0.0]), goal, {}) == 1)
        noise = env.position_noise_range
        assert points.horizon == {"umaze": 300, "medium": 600, "large": 800}[name]
    np.testing.assert_allclose(middles, theirs, atol=1e-12)
    assert walls_of(env, points) == {(row, column) for row, column in np.argwhere(points.layout.walls) - 1}
    starts = points.starts(300, np.random.default_rng(0))
    off = np.abs(starts[:, :2] % 1 - 0.5).max()
    assert 0.9 * noise < off <= noise
    assert (starts[:, 2:] == 0).all()


def test_the_suite_knows_these_environments() -> None:
    assert set(ENVIRONMENTS) == set(POINT_PLACES)
    keys = {"episodes": 1, "repeat": 1, "pairs": 1}
    assert PointMaze(environments=list(ENVIRONMENTS), **keys).environments == list(ENVIRONMENTS)
