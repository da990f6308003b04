"""What an episode is about: an instruction, the cells it denotes, and a start outside them.

The single and the vector environment draw their episodes here, from the same four uniform numbers, and check here what
a user passes to `reset` and `step`.
"""

import string
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from gymnasium import spaces
from jaxtyping import Bool, Float, Int

from ucl.errors import InputError
from ucl.maze import geometry, layouts
from ucl.maze.language import SPLITS, Grammar
from ucl.maze.planning import Distances, Fields

__all__ = ["Instructions", "action_space", "instructions_of", "observation_space", "position_space", "radians"]

LETTERS = frozenset(string.ascii_letters + string.digits + " -',.!?")
LONGEST = 128
OPTIONS = ("instruction", "position")


class Instructions:
    """The instructions of one split of one maze (or one instruction alone), numbered, with their cells."""

    def __init__(self, maze: str, split: str, instruction: str | None) -> None:
        if split not in SPLITS:
            raise InputError(f"split {split!r}: unknown; allowed: {', '.join(SPLITS)}")
        self.layout = layouts.get(maze)
        self.grammar = Grammar(self.layout)
        self.world = Distances(self.layout)
        self.texts: list[str] = self.grammar.phrases(split) if instruction is None else [instruction]
        if not self.texts:
            raise InputError(f"maze {self.layout.name} has no phrase in split {split}; give an instruction of your own")
        self.drawn_from = len(self.texts)
        self._take(np.stack([self._cells(text) for text in self.texts]))

    def episodes(
        self, generators: Sequence[np.random.Generator], options: Mapping[str, Any] | None = None
    ) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n 2"]]:
        """A task for every generator and a start outside its cells: drawn evenly, or as the options of `reset` say.

        Four numbers are drawn from every generator in any case.
        """
        drawn = np.array([generator.random(4) for generator in generators])
        options = options or {}
        if unknown := sorted(set(options) - set(OPTIONS)):
            raise InputError(f"reset option {unknown[0]!r}: unknown; allowed: {', '.join(OPTIONS)}")
        task = (drawn[:, 0] * self.drawn_from).astype(np.intp)
        if "instruction" in options:
            task[:] = self.number(options["instruction"])
        if "position" in options:
            return task, self._checked(options["position"], task)
        cell = self.starts[task, (drawn[:, 1] * self.start_counts[task]).astype(np.intp)]
        offset = np.clip(drawn[:, 2:], geometry.MARGIN, 1 - geometry.MARGIN)
        return task, self.layout.cells[cell, ::-1] + offset

    def _checked(self, position: Any, task: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
        start = geometry.place(self.layout, np.asarray(position, dtype=float).reshape(1, 2))
        if self.success(start, task[:1])[0]:
            x, y = start[0]
            raise InputError(f"position ({x:g}, {y:g}): {self.texts[task[0]]!r} denotes its cell; start outside")
        return np.repeat(start, len(task), axis=0)

    def _take(self, cells: Bool[np.ndarray, "tasks rows columns"]) -> None:
        self.cells = cells
        self.fields: Fields = self.world.fields(cells)
        inside = cells[:, self.layout.free]
        self.starts = np.argsort(inside, axis=1, kind="stable").astype(np.int32)  # first the cells outside
        self.start_counts = (~inside).sum(axis=1)

    def number(self, text: str) -> int:
        """The number of the task of any instruction of the grammar; a new one is taken in, but never drawn."""
        if text not in self.texts:
            self._take(np.concatenate([self.cells, self._cells(text)[None]]))
            self.texts.append(text)
        return self.texts.index(text)

    def success(self, positions: Float[np.ndarray, "n 2"], task: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Whether each position is in a cell that its task denotes."""
        return self.cells[(task, *geometry.cells_of(positions))]

    def _cells(self, text: str) -> Bool[np.ndarray, "rows columns"]:
        if len(text) > LONGEST:
            raise InputError(f"instruction of {len(text)} characters; at most {LONGEST} are allowed")
        cells = self.grammar.denotation(text)
        if (cells == self.layout.free).all():
            raise InputError(f"instruction {text!r} denotes every free cell: no start is left; say something narrower")
        return cells


@lru_cache(maxsize=64)
def instructions_of(maze: str, split: str, instruction: str | None) -> Instructions:
    """`Instructions`, prepared once for all environments of a process that share a maze."""
    return Instructions(maze, split, instruction)


def position_space(layout: layouts.Layout) -> spaces.Box:
    """Position (x, y) in cells."""
    rows, columns = layout.shape
    return spaces.Box(0.0, np.array([columns, rows], dtype=float), dtype=np.float64)


def observation_space(layout: layouts.Layout) -> spaces.Space:
    """Position and instruction."""
    instruction = spaces.Text(LONGEST, charset=LETTERS)
    return spaces.Dict({"position": position_space(layout), "instruction": instruction})


def action_space() -> spaces.Box:
    """An angle in half turns: 0 right, 0.5 down, 1 and -1 left, -0.5 up."""
    return spaces.Box(-1.0, 1.0, shape=(1,), dtype=np.float64)


def radians(actions: Any, count: int) -> Float[np.ndarray, " n"]:
    """`count` actions, in half turns, as angles in radians; every finite number is an angle."""
    turns = np.asarray(actions, dtype=float)
    if turns.size != count:
        raise InputError(f"actions of shape {turns.shape}: expected one number for each agent, {count} in all")
    if not np.isfinite(turns).all():
        wrong = turns[~np.isfinite(turns)][0]
        raise InputError(f"action {wrong}: not an angle; expected a finite number of half turns, such as 0.5 for down")
    return np.pi * turns.reshape(count)
