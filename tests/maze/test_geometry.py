"""Motion against dense sampling, hand cases at faces and corners, and walks that must never touch a wall."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from maze_draws import any_maze, build, clearance, starts

from ucl.errors import InputError
from ucl.maze import layouts
from ucl.maze.geometry import DIRECTIONS, MARGIN, STEP, cells_of, inside, move, place
from ucl.maze.layouts import Layout

RIGHT, DOWN, LEFT, UP = 0.0, np.pi / 2, np.pi, -np.pi / 2
M = MARGIN


def go(layout: Layout, position: tuple[float, float], *angles: float) -> tuple[float, float]:
    at = np.array([position])
    for angle in angles:
        at = move(layout, at, np.array([angle]))
    return float(at[0, 0]), float(at[0, 1])


@pytest.mark.parametrize("name", list(layouts.MAZES))
def test_motion_is_the_limit_of_dense_sampling(name: str) -> None:
    layout = layouts.get(name)
    rng = np.random.default_rng(1)
    positions = starts(layout, 200, seed=0)
    angles = np.where(rng.random(200) < 0.5, rng.uniform(-np.pi, np.pi, 200), rng.choice(DIRECTIONS, 200))
    along = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    along[np.abs(along) < 1e-7] = 0
    times = np.union1d(np.linspace(0, STEP, 1001), np.arange(60) * M / 5)  # finely while leaving a face or corner
    samples = clearance(layout, positions[:, None] + times[:, None] * along[:, None])
    blocked = samples < M - 1e-9
    expected = np.where(blocked.any(axis=1), times[blocked.argmax(axis=1) - 1], STEP)
    expected[blocked[:, 0]] = 0
    moved = move(layout, positions, angles)
    went = np.linalg.norm(moved - positions, axis=1)
    np.testing.assert_allclose(went, expected, atol=STEP / 1000 + 1e-9)
    np.testing.assert_allclose(moved, positions + went[:, None] * along, atol=1e-9)
    assert (clearance(layout, moved) > M - 1e-9).all()


@given(
    any_maze,
    st.integers(0, 2**32 - 1),
    st.lists(
        st.one_of(st.floats(-7, 7, allow_subnormal=False), st.sampled_from(DIRECTIONS.tolist())),
        min_size=20,
        max_size=60,
    ),
)
@settings(max_examples=60)
def test_a_walk_never_enters_or_crosses_a_wall(maze: str | np.ndarray, seed: int, angles: list[float]) -> None:
    layout = build(maze)
    at = starts(layout, 30, seed)
    for angle in angles:
        before, at = at, move(layout, at, np.full(len(at), angle))
        assert (np.linalg.norm(at - before, axis=1) <= STEP + 1e-12).all()
        between = before[:, None] + np.linspace(0, 1, 41)[:, None] * (at - before)[:, None]
        assert (clearance(layout, between) > M - 1e-9).all()
        assert inside(layout, at.astype(np.float32).astype(float)).all()


def test_faces_stop_exactly() -> None:
    layout = layouts.get("..\n.#")
    assert go(layout, (0.75, 1.5), RIGHT) == (1 - M, 1.5)
    assert go(layout, (1.5, 0.75), DOWN) == (1.5, 1 - M)
    assert go(layout, (0.25, 0.5), LEFT) == (M, 0.5)
    assert go(layout, (0.5, 0.25), UP) == (0.5, M)
    x, y = go(layout, (0.75, 1.5), np.pi / 4)  # reaches the face after a quarter along x
    assert (x, y) == pytest.approx((1 - M, 1.75 - M))


def test_a_touching_agent_glides_along_a_face_in_both_precisions() -> None:
    layout = layouts.get("....\n####\n....\n....".replace("####", "###.", 1))
    for single in (False, True):
        right, left = (float(np.float32(a)) if single else a for a in (RIGHT, LEFT))
        x, y = go(layout, (0.5, 0.9), DOWN, right, right, right)
        assert (x, y) == pytest.approx((2.0, 1 - M))
        assert go(layout, (x, y), left, left) == pytest.approx((1.0, 1 - M))
        assert go(layout, (0.5, 2.1), UP, right, left) == pytest.approx((0.5, 2 + M))
    assert go(layout, (0.5, 0.9), DOWN, 0.001) == (0.5, 1 - M)  # but it does not slide


def test_corners() -> None:
    layout = layouts.get(".#\n..")
    assert go(layout, (0.9, 1.1), -np.pi / 4) == pytest.approx((1 - M, 1 + M), abs=1e-9)  # on the nose
    assert go(layout, (1 - M, 1 + M), -np.pi / 4) == pytest.approx((1 - M, 1 + M), abs=1e-9)
    assert go(layout, (1 - M, 1.3), UP) == pytest.approx((1 - M, 0.8))  # past the face
    assert go(layout, (1.0, 1.3), UP) == pytest.approx((1.0, 1 + M))  # the agent has a width
    diagonal = layouts.get(".#.\n.#.\n...")
    assert go(diagonal, (0.9, 2.1), -np.pi / 4) == pytest.approx((1 - M, 2 + M), abs=1e-9)
    pinched = layouts.get("..#\n.#.\n...")  # no way between two walls that touch at a corner
    assert go(pinched, (1.8, 0.8), np.pi / 4) == pytest.approx((2 - M, 1 - M), abs=1e-9)


def test_cells_and_places() -> None:
    layout = layouts.get("..\n.#")
    np.testing.assert_array_equal(layout.free[cells_of(np.array([[0.5, 1.5], [1.2, 1.7]]))], [True, False])
    np.testing.assert_array_equal(
        inside(layout, np.array([[0.5, 1.5], [1.2, 1.7], [-0.1, 0.5], [0.5, 2.0]])), [True, False, False, False]
    )
    np.testing.assert_array_equal(place(layout, np.array([[0.0, 0.5], [1.0, 0.25]])), [[M, 0.5], [1 + M, 0.25]])
    with pytest.raises(InputError, match=r"position \(1.5, 1.5\): in a wall of maze own .* 0 <= x < 2"):
        place(layout, np.array([[0.5, 0.5], [1.5, 1.5]]))
