"""What an environment of others is to an agent: points in a maze that `step` moves."""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import Bool, Float, Int

from ucl.maze.layouts import Layout

__all__ = ["Points"]

NOISE = 0.25  # of a start and of a goal around the middle of its cell, in cells: as PointMaze's and OGBench's


class Points(ABC):
    """Any number of points in one maze, which do not meet.

    A state is x and y, in the coordinates of `Layout` (in cells, x right along the columns, y down along the rows), and
    behind them the velocities, in cells a second, where points have any.
    """

    layout: Layout
    horizon: int  # steps after which an episode is cut off
    velocities: int  # numbers of a state behind x and y
    reach: float  # a goal is reached at this distance, in cells

    @abstractmethod
    def step(
        self, states: Float[np.ndarray, "n state"], actions: Float[np.ndarray, "n 2"]
    ) -> Float[np.ndarray, "n state"]:
        """One step; actions are (right, down), each number within [-1, 1]."""

    def starts(self, count: int, random: np.random.Generator) -> Float[np.ndarray, "n state"]:
        """At rest around the middles of evenly drawn cells."""
        return self.at_rest(self.places(random.integers(len(self.layout.cells), size=count), random))

    def places(self, cells: Int[np.ndarray, " n"], random: np.random.Generator) -> Float[np.ndarray, "n 2"]:
        """Around the middles of these cells."""
        return self.layout.cells[cells, ::-1] + 0.5 + random.uniform(-NOISE, NOISE, (len(cells), 2))

    def at_rest(self, places: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n state"]:
        """States at these places, without velocity."""
        return np.pad(places, ((0, 0), (0, self.velocities)))

    def arrived(self, states: Float[np.ndarray, "n state"], goals: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
        """Whether each point is at its goal."""
        return np.linalg.norm(states[:, :2] - goals, axis=1) <= self.reach
