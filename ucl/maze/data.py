"""What the agents learn from: oracle trajectories and annotated states, each a Minari dataset (section 6.3, D.2)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from ucl.maze import geometry
from ucl.maze.layouts import Layout
from ucl.maze.planning import Distances, Hops

__all__ = ["Oracle", "Trajectories", "oracle_trajectories", "uniform_positions"]

Oracle = Literal["breadth_first", "continuous"]
Head = Callable[[np.ndarray, np.ndarray], np.ndarray]  # all positions, the walks still going -> where these head


@dataclass(frozen=True)
class Trajectories:
    """n ways through a maze: way i has `lengths[i]` steps; rows beyond repeat the last position, with angle 0."""

    positions: Float[np.ndarray, "n steps+1 2"]
    angles: Float[np.ndarray, "n steps"]
    lengths: Int[np.ndarray, " n"]


def uniform_positions(layout: Layout, count: int, rng: np.random.Generator) -> Float[np.ndarray, "n 2"]:
    """Positions drawn evenly from the free cells."""
    cells = layout.cells[rng.integers(len(layout.cells), size=count)]
    return geometry.place(layout, cells[:, ::-1] + rng.random((count, 2)))


def oracle_trajectories(
    layout: Layout,
    count: int,
    rng: np.random.Generator,
    noise_degrees: float = 10.0,
    oracle: Oracle = "breadth_first",
) -> Trajectories:
    """Walks from an even start to an evenly drawn cell, each step along a shortest way plus Gaussian angular noise.

    `breadth_first` heads for the centre of the next cell on a shortest way over cells, ties broken at random once per
    walk; `continuous` heads for the next corner of the exact shortest path. A walk ends on entering its cell.
    """
    positions = uniform_positions(layout, count, rng)
    goals = rng.integers(len(layout.cells), size=count)
    head = _breadth_first(layout, goals, rng) if oracle == "breadth_first" else _continuous(layout, goals)
    track, angles, lengths = [positions], [np.zeros((count, 0))], np.zeros(count, dtype=int)
    while len(walks := np.flatnonzero(layout.index[geometry.cells_of(positions)] != goals)):
        towards = head(positions, walks) - positions[walks]
        noise = rng.normal(0.0, np.deg2rad(noise_degrees), size=len(walks))
        angle, positions = np.zeros(count), positions.copy()
        angle[walks] = _wrapped(np.arctan2(towards[:, 1], towards[:, 0]) + noise)
        positions[walks] = geometry.move(layout, positions[walks], angle[walks])
        lengths[walks] += 1
        track.append(positions)
        angles.append(angle[:, None])
    return Trajectories(np.stack(track, axis=1), np.concatenate(angles, axis=1), lengths)


def _wrapped(angles: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return (angles + np.pi) % (2 * np.pi) - np.pi


def _breadth_first(layout: Layout, goals: Int[np.ndarray, " n"], rng: np.random.Generator) -> Head:
    hops = Hops(layout)
    preference = rng.random((len(goals), len(layout.cells)))  # which way round a tie, per walk and cell

    def head(positions: Float[np.ndarray, "n 2"], walks: Int[np.ndarray, " k"]) -> Float[np.ndarray, "k 2"]:
        options = hops.neighbours[layout.index[geometry.cells_of(positions[walks])]]
        left = hops.count[options, goals[walks, None]]
        nearest = left == left.min(axis=1, keepdims=True)
        choice = np.where(nearest, preference[walks[:, None], options], -1.0).argmax(axis=1)
        return layout.cells[options[np.arange(len(walks)), choice], ::-1] + 0.5

    return head


def _continuous(layout: Layout, goals: Int[np.ndarray, " n"]) -> Head:
    masks = np.zeros((len(layout.cells), *layout.shape), dtype=bool)
    masks[np.arange(len(layout.cells)), layout.cells[:, 0], layout.cells[:, 1]] = True
    fields = Distances(layout).fields(masks)
    return lambda positions, walks: fields.waypoints(positions[walks], goals[walks])
