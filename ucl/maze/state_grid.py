"""The free cells of a maze cut into small squares: the states that tables are about."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from ucl.maze import geometry
from ucl.maze.layouts import Layout

__all__ = ["Squares"]

POINTS = 2  # points per side of a square


@dataclass(frozen=True, eq=False)
class Squares:
    """The free cells cut into `resolution` x `resolution` squares: the states that tables are about."""

    layout: Layout
    resolution: int

    @cached_property
    def centres(self) -> Float[np.ndarray, "squares 2"]:
        """The middle of every square, cell by cell."""
        return self._spread(self.resolution, self.layout.cells[:, ::-1].astype(float), 1.0)

    @cached_property
    def cell(self) -> Int[np.ndarray, " squares"]:
        """Number of the free cell that holds each square."""
        return np.repeat(np.arange(len(self.layout.cells)), self.resolution**2)

    @cached_property
    def points(self) -> Float[np.ndarray, "squares points 2"]:
        """Points spread evenly over every square."""
        corner = self.centres - 0.5 / self.resolution
        return self._spread(POINTS, corner, 1 / self.resolution).reshape(len(corner), POINTS**2, 2)

    def at(self, positions: Float[np.ndarray, "*n 2"]) -> Int[np.ndarray, "*n"]:
        """Number of the square that holds each position."""
        inside = np.floor(positions * self.resolution).astype(np.intp) % self.resolution
        cell = self.layout.index[geometry.cells_of(positions)]
        return (cell * self.resolution + inside[..., 1]) * self.resolution + inside[..., 0]

    def after(self, positions: Float[np.ndarray, "n 2"], angles: Float[np.ndarray, " k"]) -> Int[np.ndarray, "n k"]:
        """The square each of `k` actions leads to from each position."""
        many = np.repeat(positions, len(angles), axis=0)
        moved = geometry.move(self.layout, geometry.place(self.layout, many), np.tile(angles, len(positions)))
        return self.at(moved).reshape(len(positions), len(angles))

    @staticmethod
    def _spread(n: int, corners: np.ndarray, side: float) -> np.ndarray:
        step = (np.arange(n) + 0.5) / n * side
        offsets = np.stack(np.meshgrid(step, step, indexing="xy"), axis=-1).reshape(-1, 2)
        return (corners[:, None] + offsets).reshape(-1, 2)
