"""Motion in a maze, exact: a straight step that ends where it first touches a wall.

The agent is a square of half-width `MARGIN`, so its centre keeps that distance from every wall: from faces and, the
same rule, from corners. It never slides, enters or jumps a wall, and no path is sampled: the first contact is found in
closed form. `MARGIN` is tiny for navigation and large for arithmetic: a position rounded to float32 is still in its
free cell.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from ucl.errors import InputError
from ucl.maze.layouts import Layout

__all__ = ["DIRECTIONS", "MARGIN", "STEP", "cells_of", "inside", "move", "place"]

STEP = 0.5
MARGIN = 1e-5
SLACK = 1e-10  # how far rounding may have put a touching agent over the line
AXIS = 1e-7  # directions this close to an axis are on it, so that pi / 2 in float32 or float64 goes straight down

# The sixteen directions of appendix D: angle 0 is right (+x), pi / 2 is DOWN (+y).
DIRECTIONS: Float[np.ndarray, "16"] = (np.arange(16) * np.pi / 8 + np.pi) % (2 * np.pi) - np.pi


def move(
    layout: Layout, positions: Float[np.ndarray, "n 2"], angles: Float[np.ndarray, " n"], length: float = STEP
) -> Float[np.ndarray, "n 2"]:
    """Go `length` (at most 0.5) at `angles` (radians, 0 right, pi / 2 down), or up to the first contact with a wall.

    `positions` must be outside the walls by `MARGIN`, as those of `place` and of `move` itself are.
    """
    step = length * np.stack([np.cos(angles), np.sin(angles)])
    step[np.abs(step) < AXIS * length] = 0.0
    here = np.ascontiguousarray(positions.T)
    backward = step < 0
    cell = np.floor(here)
    # Each axis is turned so that the step goes up it: then only five cells around the agent's own can be touched.
    offset = np.abs(here - (cell + backward))
    times, hits = _contacts(_walls_ahead(layout, cell.astype(np.intp), backward), offset, np.abs(step))
    time = np.where(hits, times, 1.0).min(axis=0)
    face = cell + np.where(backward, MARGIN, 1 - MARGIN)
    return np.where(hits & (times <= time), face, here + step * time).T.copy()


def _walls_ahead(
    layout: Layout, cell: Int[np.ndarray, "2 n"], backward: Bool[np.ndarray, "2 n"]
) -> tuple[Bool[np.ndarray, "2 n"], Bool[np.ndarray, " n"], Bool[np.ndarray, "2 n"]]:
    """Which cells are wall: ahead along x and along y; ahead along both; ahead along one and behind along the other."""
    walls, width = layout.walls.ravel(), layout.walls.shape[1]
    right, down = np.where(backward, -1, 1) * np.array([[1], [width]])
    at = (cell[1] + 1) * width + cell[0] + 1
    ahead = walls[np.stack([at + right, at + down])]
    behind = walls[np.stack([at + right - down, at + down - right])]
    return ahead, walls[at + right + down], behind


def _contacts(
    walls: tuple[Bool[np.ndarray, "2 n"], Bool[np.ndarray, " n"], Bool[np.ndarray, "2 n"]],
    offset: Float[np.ndarray, "2 n"],
    step: Float[np.ndarray, "2 n"],
) -> tuple[Float[np.ndarray, "2 n"], Bool[np.ndarray, "2 n"]]:
    """When (in [0, 1]) the agent reaches the plane of faces ahead along x and along y, and whether it hits one there.

    In turned coordinates the agent is at `offset` in its cell [0, 1]^2 and the plane lies at 1 - MARGIN. Where it
    crosses, its other coordinate `across` says which cells, widened by the margin, it meets: the one ahead, the one
    ahead on both axes, the one ahead and behind. Along a face the agent glides; a corner hit on the nose is contact.
    """
    ahead, both, behind = walls
    plane = 1 - MARGIN
    never = 2.0  # after the step
    times = np.full_like(step, never)
    np.divide(np.maximum(plane - offset, 0.0), step, out=times, where=step > 0)
    across = offset[::-1] + np.minimum(times, never) * step[::-1]
    beyond = across > plane + np.where(step[::-1] > 0, -SLACK, SLACK)
    met = (both & beyond) | (behind & (across < MARGIN - SLACK))
    met &= offset <= plane + SLACK  # else these cells are no longer ahead
    met |= ahead & (across < 1 + MARGIN)
    return times, met & (times <= 1.0)


def cells_of(positions: Float[np.ndarray, "*n 2"]) -> tuple[Int[np.ndarray, "*n"], Int[np.ndarray, "*n"]]:
    """Row and column of the cell of each position: `mask[cells_of(p)]` looks positions up in a map."""
    cell = np.floor(positions).astype(np.intp)
    return cell[..., 1], cell[..., 0]


def inside(layout: Layout, positions: Float[np.ndarray, "*n 2"]) -> Bool[np.ndarray, "*n"]:
    """Whether each position lies in a free cell of the map."""
    row, column = cells_of(positions)
    rows, columns = layout.shape
    within = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    return within & layout.free[np.clip(row, 0, rows - 1), np.clip(column, 0, columns - 1)]


def place(layout: Layout, positions: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
    """Positions fit to start from: those given, at most `MARGIN` further from the edges of their cells.

    Raises `InputError` for a position in a wall or outside the map.
    """
    if not (ok := inside(layout, positions)).all():
        x, y = positions[~ok][0]
        rows, columns = layout.shape
        raise InputError(
            f"position ({x:g}, {y:g}): in a wall of maze {layout.name} or outside it; "
            f"expected a free cell, 0 <= x < {columns} and 0 <= y < {rows}"
        )
    cell = np.floor(positions)
    return np.clip(positions, cell + MARGIN, cell + (1 - MARGIN))
