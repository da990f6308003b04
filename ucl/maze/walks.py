"""What the agents learn from: an oracle's trajectories, and states with words; never an action with words (D.2)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from ucl.errors import InputError
from ucl.maze import geometry
from ucl.maze.language import Grammar
from ucl.maze.layouts import Layout
from ucl.maze.planning import Distances, Hops

__all__ = ["AnnotatedStates", "Oracle", "Trajectories", "annotated_states", "oracle_trajectories", "uniform_positions"]

Oracle = Literal["breadth_first", "continuous"]
Head = Callable[[np.ndarray, np.ndarray], np.ndarray]  # all positions, the walks still going -> where these head


@dataclass(frozen=True, eq=False)
class Trajectories:
    """n ways through a maze: way i has `lengths[i]` steps; rows beyond repeat the last position, with angle 0."""

    positions: Float[np.ndarray, "n steps_and_1 2"]
    angles: Float[np.ndarray, "n steps"]
    lengths: Int[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class AnnotatedStates:
    """n positions, each with one phrase that is true of it."""

    positions: Float[np.ndarray, "n 2"]
    texts: list[str]


def uniform_positions(layout: Layout, count: int, rng: np.random.Generator) -> Float[np.ndarray, "n 2"]:
    """Positions drawn evenly from the free cells."""
    cells = layout.cells[rng.integers(len(layout.cells), size=count)]
    return geometry.place(layout, cells[:, ::-1] + rng.random((count, 2)))


def annotated_states(layout: Layout, count: int, rng: np.random.Generator, split: str = "train") -> AnnotatedStates:
    """Positions drawn evenly, each described by an evenly drawn phrase of `split` among those true of it."""
    grammar = Grammar(layout)
    phrases = grammar.phrases(split)
    true = np.stack([grammar.denotation(text)[layout.free] for text in phrases], axis=1)  # [cells, phrases]
    if not true.any(axis=1).all():
        raise InputError(f"split {split} of maze {layout.name} leaves cells without a phrase; annotate from train")
    positions = uniform_positions(layout, count, rng)
    told = true[layout.index[geometry.cells_of(positions)]]
    rank = (rng.random(count) * told.sum(axis=1)).astype(int)
    chosen = (told.cumsum(axis=1) <= rank[:, None]).sum(axis=1)
    return AnnotatedStates(positions, [phrases[number] for number in chosen.tolist()])


def oracle_trajectories(
    layout: Layout,
    count: int,
    rng: np.random.Generator,
    noise_degrees: float = 10.0,
    oracle: Oracle = "breadth_first",
) -> Trajectories:
    """Walks from an even start to an evenly drawn other cell, by shortest ways with Gaussian noise on every angle.

    `breadth_first` heads for the centre of the next cell on a shortest way over cells, ties broken at random once per
    walk; `continuous` heads for the next corner of the exact shortest path. A walk ends on entering its cell.
    """
    if len(layout.cells) < 2:
        raise InputError(f"maze {layout.name} has one free cell: no way leads anywhere; expected two cells or more")
    positions = uniform_positions(layout, count, rng)
    starts = layout.index[geometry.cells_of(positions)]
    goals = (starts + rng.integers(1, len(layout.cells), size=count)) % len(layout.cells)
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
