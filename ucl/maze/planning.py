"""Shortest ways in a maze: the exact continuous distance to a set of cells, and breadth-first hops between cells.

A shortest path is a chain of straight segments that turn only at convex corners of walls. So the distance to a set of
cells is the least, over the *targets* in sight (cells of the set, corners), of the way to the target plus the way that
remains from there. Corners are passed at 2 `MARGIN` and walls kept at `MARGIN`, which makes every path walkable and
at most 4 `MARGIN` per corner longer than the infimum.
"""

from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra, shortest_path

from ucl.errors import InputError
from ucl.maze.geometry import MARGIN, SLACK, cells_of
from ucl.maze.layouts import Layout

__all__ = ["Distances", "Fields", "Hops"]

BLOCK = 1024  # positions at a time
PAIRS = 1024  # straight ways at a time

Boxes = tuple[Float[np.ndarray, "_ 2"], Float[np.ndarray, "_ 2"]]  # lower and upper corners


class Distances:
    """What is in sight of what in a layout, prepared once; `to_cells` and `fields` give the distances."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.walls = _wall_boxes(layout)
        self.corners = _corners(layout)
        low = layout.cells[:, ::-1].astype(float)
        # Targets: first the free cells, in the order of `layout.cells`, then the corners.
        self.low = np.concatenate([low, self.corners])
        self.high = np.concatenate([low + 1, self.corners])
        self.from_corners = self._ways_from_corners()

    def to_cells(
        self, positions: Float[np.ndarray, "n 2"], cells: Bool[np.ndarray, "rows columns"]
    ) -> Float[np.ndarray, " n"]:
        """Length of the shortest path from each position into the nearest of `cells`; 0 inside one."""
        return self.fields(cells[None]).distances(positions, np.zeros(len(positions), dtype=np.intp))

    def fields(self, masks: Bool[np.ndarray, "m rows columns"]) -> "Fields":
        """Distances to m sets of cells, prepared for many positions."""
        return Fields(self, masks)

    def clear(self, start: Float[np.ndarray, "n 2"], end: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
        """Whether the straight way between two points keeps `MARGIN` from every wall."""
        clear = np.empty(len(start), dtype=bool)
        for first in range(0, len(start), PAIRS):
            block = slice(first, first + PAIRS)
            clear[block] = ~_met(start[block], end[block], self.walls).any(axis=0)
        return clear

    @cached_property
    def sight(self) -> tuple[Bool[np.ndarray, "cells targets"], Bool[np.ndarray, "cells targets"]]:
        """For every cell and target: is it in sight from all of the cell; could it be from some of it?"""
        always, maybe = np.empty((2, len(self.layout.cells), len(self.low)), dtype=bool)
        low, high = np.tile(self.low, (4, 1)), np.tile(self.high, (4, 1))
        # The shadow that a wall casts, seen from a target, is convex and nowhere narrower than the wall, which is wider
        # than a cell. So the corners of a cell tell: it lies in the shadow if all four do, and outside if none does.
        for cell, ((left, top), (right, bottom)) in enumerate(zip(*self._room(), strict=True)):
            corners = np.array([(left, top), (right, top), (left, bottom), (right, bottom)])
            start = np.repeat(corners, len(self.low), axis=0)
            met = _met(start, np.clip(start, low, high), self.walls).reshape(-1, 4, len(self.low))
            always[cell] = ~met.any(axis=(0, 1))
            maybe[cell] = ~met.all(axis=1).any(axis=0)
        return always, maybe

    def _room(self) -> Boxes:
        """Where in each cell the agent can be: `MARGIN` away from neighbours that are wall."""
        (row, column), walls = self.layout.cells.T, MARGIN * self.layout.walls
        low = np.stack([column + walls[row + 1, column], row + walls[row, column + 1]], axis=1)
        high = np.stack([column + 1 - walls[row + 1, column + 2], row + 1 - walls[row + 2, column + 1]], axis=1)
        return low, high

    def _ways_from_corners(self) -> Float[np.ndarray, "corners cells"]:
        """Length of the shortest path from every corner to every free cell."""
        cells, count = len(self.layout.cells), len(self.corners)
        start = np.repeat(self.corners, cells + count, axis=0)
        end = np.clip(start, np.tile(self.low, (count, 1)), np.tile(self.high, (count, 1)))
        straight = np.where(self.clear(start, end), np.linalg.norm(end - start, axis=1), np.inf)
        straight = straight.reshape(count, cells + count)
        between = np.where(np.isfinite(straight[:, cells:]), straight[:, cells:], 0.0)
        ways = dijkstra(csr_array(between), directed=False)
        last = straight[:, :cells]
        return np.stack([(way[:, None] + last).min(axis=0) for way in ways]) if count else last


class Fields:
    """Shortest distances to m sets of cells."""

    def __init__(self, world: Distances, masks: Bool[np.ndarray, "m rows columns"]) -> None:
        self.world = world
        members = masks[:, world.layout.free]
        if not members.any(axis=1).all():
            raise InputError(f"a set of cells without a free cell of maze {world.layout.name}: nowhere to go")
        to_go = [world.from_corners[:, member].min(axis=1) for member in members]
        # What remains to be walked from every target: nothing in a cell of the set; from other cells it is not asked.
        self.costs = np.concatenate([np.where(members, 0.0, np.inf), np.stack(to_go)], axis=1)
        self.useful = np.isfinite(self.costs)

    def distances(self, positions: Float[np.ndarray, "n 2"], which: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Length of the shortest path from each position into set `which`; 0 inside it."""
        return self._best(positions, which)[0]

    def waypoints(self, positions: Float[np.ndarray, "n 2"], which: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
        """The next point of each shortest path: a corner, or a point straight behind the edge of a cell of the set."""
        target = self._best(positions, which)[1]
        low, high = self.world.low[target], self.world.high[target]
        ends = np.clip(positions, low, high)
        gap = ends - positions
        length = np.linalg.norm(gap, axis=1, keepdims=True)
        behind = ends + 3 * MARGIN * gap / np.maximum(length, SLACK)
        on_edge = np.clip(positions, low + 2 * MARGIN, high - 2 * MARGIN)
        into_cell = np.where(length > SLACK, behind, on_edge)
        return np.where((low < high), into_cell, ends)

    def _best(
        self, positions: Float[np.ndarray, "n 2"], which: Int[np.ndarray, " n"]
    ) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        """Least total and its target, block by block to bound the memory."""
        blocks = [slice(start, start + BLOCK) for start in range(0, len(positions), BLOCK)]
        found = [self._best_of_block(positions[block], which[block]) for block in blocks]
        totals, targets = zip(*found, strict=True) if found else ([np.empty(0)], [np.empty(0, dtype=np.intp)])
        return np.concatenate(totals), np.concatenate(targets)

    def _best_of_block(
        self, positions: Float[np.ndarray, "n 2"], which: Int[np.ndarray, " n"]
    ) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        """The least total whose target is in sight; only where the cell leaves it open is the way looked at."""
        world = self.world
        always, maybe = world.sight
        cell = world.layout.index[cells_of(positions)]
        asked = maybe[cell] & self.useful[which]
        pair = np.flatnonzero(asked)
        row, target = np.divmod(pair, asked.shape[1])
        start = positions.take(row, axis=0)
        end = np.clip(start, world.low.take(target, axis=0), world.high.take(target, axis=0))
        across, down = (end - start).T
        straight = np.sqrt(across * across + down * down)
        seen = always[cell[row], target]
        seen[~seen] = world.clear(start[~seen], end[~seen])
        # The corner one stands on is no way from itself.
        seen &= (target < len(world.layout.cells)) | (straight >= SLACK)
        totals = np.full(asked.shape, np.inf)
        totals.put(pair[seen], (straight + self.costs[which[row], target])[seen])
        best = totals.argmin(axis=1)
        return totals[np.arange(len(positions)), best], best


class Hops:
    """Breadth-first distances over the free cells, which touch by their sides: the paper's oracle (appendix D.2)."""

    def __init__(self, layout: Layout) -> None:
        cells = layout.cells
        adjacent = np.abs(cells[:, None] - cells[None]).sum(axis=-1) == 1
        self.count: Int[np.ndarray, "cells cells"] = shortest_path(csr_array(adjacent), unweighted=True).astype(int)
        # The neighbours of every cell; a cell with fewer than four repeats itself.
        self.neighbours: Int[np.ndarray, "cells 4"] = np.repeat(np.arange(len(cells))[:, None], 4, axis=1)
        for cell, near in enumerate(adjacent):
            self.neighbours[cell, : near.sum()] = np.flatnonzero(near)


def _wall_boxes(layout: Layout) -> Boxes:
    """The walls inside the map as few rectangles, widened by `MARGIN`."""
    boxes: list[list[int]] = []  # left, top, right, bottom
    for row, free in enumerate(layout.free):
        edges = np.flatnonzero(np.diff(np.concatenate([[1], free, [1]])))
        for left, right in edges.reshape(-1, 2).tolist():
            above = next((box for box in boxes if box[0] == left and box[2:] == [right, row]), None)
            if above is None:
                boxes.append([left, row, right, row + 1])
            else:
                above[3] = row + 1
    corners = np.array(boxes, dtype=float).reshape(-1, 4)
    return corners[:, :2] - MARGIN, corners[:, 2:] + MARGIN


def _corners(layout: Layout) -> Float[np.ndarray, "corners 2"]:
    """The convex corners of the walls, moved 2 `MARGIN` out along the diagonal."""
    walls = layout.walls
    around = [walls[:-1, :-1], walls[:-1, 1:], walls[1:, :-1], walls[1:, 1:]]
    outward = np.array([[1, 1], [-1, 1], [1, -1], [-1, -1]])
    single = np.sum(around, axis=0) == 1
    points = [np.argwhere(single & wall)[:, ::-1] + 2 * MARGIN * out for wall, out in zip(around, outward, strict=True)]
    return np.concatenate(points)


def _met(start: Float[np.ndarray, "n 2"], end: Float[np.ndarray, "n 2"], walls: Boxes) -> Bool[np.ndarray, "walls n"]:
    """Which walls a straight way meets; touching is not meeting.

    Two convex shapes meet unless a line divides them: here one along x, one along y, or one along the way.
    """
    (width, height), centre = (walls[1] - walls[0]).T / 2 - SLACK, (walls[0] + walls[1]).T / 2
    x, y = centre[..., None] - (start + end).T[:, None] / 2
    right, down = (end - start).T / 2
    met = np.abs(x) <= np.abs(right) + width[:, None]
    met &= np.abs(y) <= np.abs(down) + height[:, None]
    met &= np.abs(x * down - y * right) <= np.abs(right) * height[:, None] + np.abs(down) * width[:, None]
    return met
