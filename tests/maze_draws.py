"""Mazes and positions that the maze's property tests draw, and the distance to a wall by hand."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import label

from ucl.maze import layouts
from ucl.maze.geometry import MARGIN as M
from ucl.maze.geometry import place
from ucl.maze.layouts import Layout


def clearance(layout: Layout, positions: np.ndarray) -> np.ndarray:
    """Sup-norm distance (at most 1) of each position to the nearest wall, the outside included; negative inside one."""
    nearest = np.ones(positions.shape[:-1])
    cell = np.floor(positions).astype(int)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            x, y = cell[..., 0] + i, cell[..., 1] + j
            wall = layout.walls[np.clip(y + 1, 0, layout.shape[0] + 1), np.clip(x + 1, 0, layout.shape[1] + 1)]
            low = np.stack([x, y], axis=-1)
            gap = np.maximum(low - positions, positions - low - 1).max(axis=-1)
            nearest = np.where(wall, np.minimum(nearest, gap), nearest)
    return nearest


def starts(layout: Layout, count: int, seed: int) -> np.ndarray:
    """Positions all over the maze, many of them against faces, edges of cells and corners."""
    rng = np.random.default_rng(seed)
    cells = layout.cells[rng.integers(len(layout.cells), size=count), ::-1]
    edges = np.array([M, 2 * M, 0.25, 0.5, 1 - 2 * M, 1 - M])
    offsets = np.where(rng.random((count, 2)) < 0.5, rng.random((count, 2)), rng.choice(edges, (count, 2)))
    return place(layout, cells + offsets)


def build(maze: str | np.ndarray) -> Layout:
    """A maze by name, or the largest connected part of a random map."""
    if isinstance(maze, str):
        return layouts.get(maze)
    regions, _ = label(maze)
    return Layout("random", regions == 1 + np.argmax(np.bincount(regions.ravel())[1:]))


random_maps = arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7))).filter(np.any)
any_maze = st.one_of(st.sampled_from(list(layouts.MAZES)), random_maps)
