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
        return _clear((start, start), (end, end), self.walls)

    @cached_property
    def sight(self) -> tuple[Bool[np.ndarray, "cells targets"], Bool[np.ndarray, "cells targets"]]:
        """For every cell and target: is it in sight from all of the cell; could it be from some of it?"""
        cells, targets = len(self.layout.cells), len(self.low)
        room = self._room()
        always, maybe = np.empty((2, cells, targets), dtype=bool)
        for cell in range(cells):
            here = np.broadcast_to(room[0][cell], (targets, 2)), np.broadcast_to(room[1][cell], (targets, 2))
            nearest = np.clip(here[0], self.low, self.high), np.clip(here[1], self.low, self.high)
            always[cell] = _clear(here, nearest, self.walls)
            maybe[cell] = ~_cut(here, nearest, self.walls)
        return always, maybe

    @cached_property
    def reach(self) -> tuple[Float[np.ndarray, "cells targets"], Float[np.ndarray, "cells targets"]]:
        """Least and greatest straight distance between the points of every cell and their nearest of every target."""
        low, high = self.low[: len(self.layout.cells), None], self.high[: len(self.layout.cells), None]
        gap = np.maximum(np.maximum(self.low - high, low - self.high), 0)
        span = np.maximum(np.maximum(self.low - low, high - self.high), 0)
        return np.linalg.norm(gap, axis=-1), np.linalg.norm(span, axis=-1)

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
    """Shortest distances to m sets of cells.

    For every set and cell only the targets that can be best from somewhere in the cell are kept: those whose least
    total is below the greatest total of one in sight from the whole cell.
    """

    def __init__(self, distances: Distances, masks: Bool[np.ndarray, "m rows columns"]) -> None:
        self.distances_of = distances
        layout = distances.layout
        members = masks[:, layout.free]
        if not members.any(axis=1).all():
            raise InputError(f"a set of cells without a free cell of maze {layout.name}: its distance is not defined")
        rows = [self._candidates(member) for member in members]
        width = max(int(keep.sum(axis=1).max()) for keep, _ in rows)
        shape = (len(masks), len(layout.cells), width)
        self.targets, self.costs = np.zeros(shape, dtype=np.int32), np.full(shape, np.inf)
        for number, (keep, cost) in enumerate(rows):
            order = np.argsort(~keep, axis=1, kind="stable")[:, :width]
            self.targets[number] = order
            self.costs[number] = np.where(np.take_along_axis(keep, order, axis=1), cost[order], np.inf)

    def distances(self, positions: Float[np.ndarray, "n 2"], which: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Length of the shortest path from each position into set `which`; 0 inside it."""
        return self._best(positions, which)[0]

    def waypoints(self, positions: Float[np.ndarray, "n 2"], which: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
        """The next point of each shortest path: a corner, or a point just inside the nearest cell of the set."""
        world, target = self.distances_of, self._best(positions, which)[1]
        inset = np.where(target < len(world.layout.cells), 2 * MARGIN, 0.0)[:, None]
        return np.clip(positions, world.low[target] + inset, world.high[target] - inset)

    def _candidates(self, member: Bool[np.ndarray, " cells"]) -> tuple[np.ndarray, np.ndarray]:
        world = self.distances_of
        to_go = np.where(member, world.from_corners, np.inf).min(axis=1, initial=np.inf)
        cost = np.concatenate([np.where(member, 0.0, np.inf), to_go])
        (always, maybe), (least, greatest) = world.sight, world.reach
        bound = np.where(always, greatest + cost, np.inf).min(axis=1, keepdims=True)
        total = least + cost
        return maybe & (total <= bound + SLACK) & np.isfinite(total), cost

    def _best(
        self, positions: Float[np.ndarray, "n 2"], which: Int[np.ndarray, " n"]
    ) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        """Least total and its target: the least of all if in sight, else the next, and so on."""
        world = self.distances_of
        cell = world.layout.index[cells_of(positions)]
        targets, totals = self.targets[which, cell], self.costs[which, cell]
        ends = np.clip(positions[:, None], world.low[targets], world.high[targets])
        straight = np.linalg.norm(ends - positions[:, None], axis=-1)
        standing_on = (straight < SLACK) & (targets >= len(world.layout.cells))  # a corner leads nowhere from itself
        totals = np.where(standing_on, np.inf, totals + straight)
        chosen = totals.argmin(axis=1)
        always, everyone = world.sight[0], np.arange(len(positions))
        doubt = np.flatnonzero(~always[cell, targets[everyone, chosen]])
        while len(doubt):
            hidden = doubt[~world.clear(positions[doubt], ends[doubt, chosen[doubt]])]
            totals[hidden, chosen[hidden]] = np.inf
            chosen[hidden] = totals[hidden].argmin(axis=1)
            doubt = hidden[~always[cell[hidden], targets[hidden, chosen[hidden]]]]
        return totals[everyone, chosen], targets[everyone, chosen]


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


def _clear(start: Boxes, end: Boxes, walls: Boxes) -> Bool[np.ndarray, " n"]:
    """Whether a box that goes straight from `start` to `end`, changing its size evenly, meets no wall.

    At time t in [0, 1] it overlaps a wall along an axis where two linear functions of t are negative; it meets the
    wall if one t does for both axes. Touching is not meeting. A point is a box of no size.
    """
    after, before = np.zeros((len(start[0]), len(walls[0]))), np.ones((len(start[0]), len(walls[0])))
    for axis in range(2):
        s, e, w = ([box[:, axis, None] for box in boxes] for boxes in (start, end, walls))
        after, before = _negative(s[0] - w[1].T + SLACK, e[0] - s[0], after, before)
        after, before = _negative(w[0].T - s[1] + SLACK, s[1] - e[1], after, before)
    return ~(after < before).any(axis=1)


def _negative(value: np.ndarray, slope: np.ndarray, after: np.ndarray, before: np.ndarray) -> tuple:
    """The part of the times (after, before) at which value + slope * t < 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        root = -value / slope
    never = (slope == 0) & (value >= 0)
    after = np.where(slope < 0, np.maximum(after, root), np.where(never, 1.0, after))
    before = np.where(slope > 0, np.minimum(before, root), np.where(never, 0.0, before))
    return after, before


def _cut(start: Boxes, end: Boxes, walls: Boxes) -> Bool[np.ndarray, " n"]:
    """Whether one wall lies between two boxes and is wider than both, so that nothing of one sees the other."""
    low, high = np.minimum(start[0], end[0])[:, None], np.maximum(start[1], end[1])[:, None]
    wide = (low >= walls[0]) & (high <= walls[1])
    between = [
        (a[1][:, None] <= walls[0] + 2 * MARGIN) & (b[0][:, None] >= walls[1] - 2 * MARGIN)
        for a, b in ((start, end), (end, start))
    ]
    return (wide & (between[0] | between[1])[..., ::-1]).any(axis=(1, 2))
