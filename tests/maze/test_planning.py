"""Shortest paths against hand cases, walked lengths, and Dijkstra over a fine lattice of points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from maze_draws import any_maze, build, clearance, starts
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from ucl.errors import InputError
from ucl.maze import layouts
from ucl.maze.geometry import MARGIN, cells_of
from ucl.maze.layouts import Layout
from ucl.maze.planning import Distances, Hops
from ucl.maze.walks import uniform_positions

NAMES = list(layouts.MAZES)


def random_mask(layout: Layout, rng: np.random.Generator, count: int = 4) -> np.ndarray:
    mask = np.zeros(layout.shape, dtype=bool)
    mask[tuple(layout.cells[rng.integers(len(layout.cells), size=count)].T)] = True
    return mask


def free_between(layout: Layout, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Whether straight ways stay out of the walls, by sampling."""
    points = start[:, None] + np.linspace(0, 1, 400)[:, None] * (end - start)[:, None]
    return layout.free[cells_of(points)].all(axis=1)


def test_hand_cases() -> None:
    layout = layouts.get("...\n.#.\n...")
    distances = Distances(layout)
    goal = np.zeros(layout.shape, dtype=bool)
    goal[2, 2] = True
    starts = np.array([[2.5, 0.5], [0.5, 0.5], [0.5, 2.5], [2.25, 2.75], [0.25, 0.75], [1.5, 0.5]])
    expected = [
        1.5,  # straight down
        np.hypot(1.5, 0.5) + 1.0,  # over the corner (2, 1), then down its face
        1.5,
        0.0,
        np.hypot(0.75, 1.25) + 1.0,  # round the lower left corner (1, 2)
        np.hypot(0.5, 0.5) + 1.0,
    ]
    np.testing.assert_allclose(distances.to_cells(starts, goal), expected, atol=8 * MARGIN)


def test_no_way_between_walls_that_touch_at_a_corner() -> None:
    layout = layouts.get("..#\n.#.\n...")
    goal = np.zeros(layout.shape, dtype=bool)
    goal[1, 2] = True
    found = Distances(layout).to_cells(np.array([[1 - MARGIN, 0.5]]), goal)
    # Down to the middle wall, along its left face and under it.
    np.testing.assert_allclose(found, [0.5 + 1.0 + 1.0], atol=16 * MARGIN)


@given(any_maze, st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_what_a_cell_says_of_sight_holds_everywhere_in_it(maze: str | np.ndarray, seed: int) -> None:
    layout = build(maze)
    distances, at = Distances(layout), starts(layout, 60, seed)
    always, maybe = (sight[layout.index[cells_of(at)]] for sight in distances.sight)
    here = np.repeat(at, len(distances.low), axis=0)
    ends = np.clip(here, np.tile(distances.low, (60, 1)), np.tile(distances.high, (60, 1)))
    seen = distances.clear(here, ends).reshape(always.shape)
    assert (always <= seen).all()
    assert (seen <= maybe).all()


@given(any_maze, st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_the_path_walked_is_as_long_as_said_and_clear_of_walls(maze: str | np.ndarray, seed: int) -> None:
    layout = build(maze)
    rng = np.random.default_rng(seed)
    mask = random_mask(layout, rng)
    fields = Distances(layout).fields(mask[None])
    at, which = starts(layout, 60, seed), np.zeros(60, dtype=int)
    said, walked = fields.distances(at, which), np.zeros(60)
    while (going := ~mask[cells_of(at)]).any():
        waypoint = np.where(going[:, None], fields.waypoints(at, which), at)
        between = at[:, None] + np.linspace(0, 1, 101)[:, None] * (waypoint - at)[:, None]
        assert (clearance(layout, between) > MARGIN - 1e-9).all()
        assert (fields.distances(waypoint, which)[going] < fields.distances(at, which)[going] + 1e-9).all()
        walked += np.linalg.norm(waypoint - at, axis=1)
        at = waypoint
    np.testing.assert_allclose(walked, said, atol=8 * MARGIN)


@pytest.mark.parametrize("name", NAMES)
def test_no_detour_in_sight_is_shorter(name: str) -> None:
    """With the test above this is a proof: a shorter path would break the inequality on one of its segments."""
    layout, rng = layouts.get(name), np.random.default_rng(4)
    mask, distances = random_mask(layout, rng), Distances(layouts.get(name))
    start, end = (uniform_positions(layout, 4000, rng) for _ in range(2))
    end[2000:] = start[2000:] + rng.normal(0, 0.3, (2000, 2))
    rows, columns = layout.shape
    near = (end > MARGIN).all(axis=1) & (end < np.array([columns, rows]) - MARGIN).all(axis=1)
    start, end = start[near], end[near]
    seen = free_between(layout, start, end) & distances.clear(start, end)
    assert seen.sum() > 100
    gap = distances.to_cells(start[seen], mask) - distances.to_cells(end[seen], mask)
    assert (np.abs(gap) <= np.linalg.norm(end - start, axis=1)[seen] + 8 * MARGIN).all()


@pytest.mark.parametrize("name", ["slit", "fork", "nested_pyramid", "large"])
def test_a_lattice_is_never_shorter_and_hardly_longer(name: str) -> None:
    layout, rng = layouts.get(name), np.random.default_rng(5)
    mask, per_cell = random_mask(layout, rng), 4
    offsets = (np.arange(per_cell) + 0.5) / per_cell
    points = layout.cells[:, None, None, ::-1] + np.stack(np.meshgrid(offsets, offsets), axis=-1)
    points = points.reshape(-1, 2)
    pairs = np.array([(i, j) for i in range(-4, 5) for j in range(-4, 5) if np.gcd(i, j) == 1])
    lookup = {tuple(point): k for k, point in enumerate(np.rint(points * per_cell - 0.5).astype(int).tolist())}
    edges = [
        (k, lookup[x + i, y + j])
        for (x, y), k in lookup.items()
        for i, j in pairs.tolist()
        if k < lookup.get((x + i, y + j), -1)
    ]
    here, there = np.array(edges).T
    seen = free_between(layout, points[here], points[there])
    here, there = here[seen], there[seen]
    length = np.linalg.norm(points[here] - points[there], axis=1)
    graph = coo_array((length, (here, there)), shape=(len(points),) * 2)
    inside = np.flatnonzero(mask[cells_of(points)])
    lattice = dijkstra(graph.tocsr(), directed=False, indices=inside, min_only=True)
    exact = Distances(layout).to_cells(points, mask)
    assert (exact <= lattice + 8 * MARGIN).all()
    assert (lattice <= 1.03 * exact + 3 / per_cell).all()


def test_fields_do_not_depend_on_their_company() -> None:
    layout, rng = layouts.get("pyramid"), np.random.default_rng(6)
    distances, at = Distances(layout), uniform_positions(layouts.get("pyramid"), 50, rng)
    masks = np.stack([random_mask(layout, rng, count) for count in (1, 5, 30)])
    which = rng.integers(3, size=50)
    together = distances.fields(masks).distances(at, which)
    alone = [float(distances.to_cells(p[None], masks[w])[0]) for p, w in zip(at, which, strict=True)]
    np.testing.assert_array_equal(together, alone)


def test_a_set_without_a_free_cell() -> None:
    layout = layouts.get("fork")
    with pytest.raises(InputError, match="without a free cell of maze fork"):
        Distances(layout).to_cells(np.array([[0.5, 0.5]]), ~layout.free)


@pytest.mark.parametrize("name", NAMES)
def test_hops_are_breadth_first(name: str) -> None:
    layout = layouts.get(name)
    hops, goal = Hops(layout), len(layout.cells) // 2
    frontier, depth, seen = [goal], 0, {goal: 0}
    while frontier:
        depth += 1
        cells = [
            (row + i, column + j)
            for row, column in layout.cells[frontier].tolist()
            for i, j in ((0, 1), (1, 0), (0, -1), (-1, 0))
        ]
        new = {int(layout.index[c]) for c in cells if 0 <= c[0] < layout.shape[0] and 0 <= c[1] < layout.shape[1]}
        frontier = [cell for cell in new if cell >= 0 and cell not in seen]
        seen.update(dict.fromkeys(frontier, depth))
    np.testing.assert_array_equal(hops.count[goal], [seen[cell] for cell in range(len(layout.cells))])
    one = np.take_along_axis(hops.count, hops.neighbours, axis=1)
    assert set(np.unique(one)) <= {0, 1}
