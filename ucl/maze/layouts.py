"""The mazes: text maps of unit cells, `.` free and `#` wall; everything outside a map is wall."""

import difflib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from ucl.errors import InputError

__all__ = ["MAZES", "Layout", "get"]

FREE, WALL = ".", "#"


def _fork(rows: int, columns: int, opening: int) -> str:
    alley, wall = FREE * columns, WALL * (columns - opening) + FREE * opening
    return "\n".join(wall if row % 2 else alley for row in range(rows))


class Known(NamedTuple):
    """A maze of the paper: its map, and the steps until an episode is cut off (about four times the longest path)."""

    map: str
    horizon: int


# Section 6.3 and appendix D name the mazes; the last three are the PointMaze maps without their border of wall, but for
# one cell of `large` (row 4, column 9), which is wall in theirs.
MAZES: dict[str, Known] = {
    "blank": Known("\n".join([FREE * 10] * 10), 100),
    "slit": Known("\n".join([".....#....."] * 5 + ["..........."] + [".....#....."] * 5), 100),
    "blocker": Known("\n".join(["..........."] * 2 + [".....#....."] * 7 + ["..........."] * 2), 120),
    "island": Known("\n".join(["..........."] * 3 + ["...#####..."] * 5 + ["..........."] * 3), 120),
    "fork": Known(_fork(15, 15, opening=5), 250),
    "pyramid": Known(
        """
        .............
        .###########.
        .#.........#.
        .#.###.###.#.
        .#.#.....#.#.
        .#.#.###.#.#.
        .#.#.#.#.#.#.
        .#.#.#.#.#.#.
        .#.#.....#.#.
        .#.#######.#.
        .#.........#.
        .#####.#####.
        .............""",
        350,
    ),
    "nested_pyramid": Known(
        """
        .................
        .######.########.
        .#.............#.
        .#.#####.#####.#.
        .#.#...#.#...#.#.
        .#.#.........#.#.
        .#.#...#.#...#.#.
        .#.#####.#####.#.
        .#.............#.
        .#.#####.##.##.#.
        .#.#...#.#...#.#.
        .#.....#.#...#.#.
        .#.#...#.#...#.#.
        .#.#####.#####.#.
        .#.............#.
        .########.######.
        .................""",
        250,
    ),
    "umaze": Known(
        """
        ...
        ##.
        ...""",
        50,
    ),
    "medium": Known(
        """
        ..##..
        ..#...
        #...##
        ..#...
        .#..#.
        ...#..""",
        100,
    ),
    "large": Known(
        """
        ....#.....
        .##.#.#.#.
        ......#...
        .####.##..
        ..#.#.....
        #.#.#.#.##
        ..#...#...""",
        150,
    ),
}


@dataclass(frozen=True, eq=False)
class Layout:
    """A maze: which unit cells are free.

    Positions are (x, y): x runs right along the columns, y runs DOWN along the rows, from the top left corner of the
    map. Cell (row r, column c) covers [c, c + 1) x [r, r + 1).
    """

    name: str
    free: Bool[np.ndarray, "rows columns"]

    @classmethod
    def from_text(cls, text: str, name: str = "own") -> "Layout":
        """Read a map: one line a row, `.` free, `#` wall; what lies outside is wall, so no border is needed.

        Raises `InputError` for another character, lines of different lengths, a map without a free cell, and one
        with a free region that cannot be reached from the rest (cells touch by their sides).
        """
        lines = [line.strip() for line in text.strip().splitlines()]
        _check_text(lines, name)
        free = np.array([[character == FREE for character in line] for line in lines])
        if not free.any():
            raise InputError(f"maze {name}: no free cell; expected at least one {FREE!r} in the map")
        _check_connected(free, name)
        free.setflags(write=False)
        return cls(name, free)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.free.shape[0], self.free.shape[1]

    @cached_property
    def cells(self) -> Int[np.ndarray, "n 2"]:
        """Row and column of every free cell, row by row."""
        return np.argwhere(self.free)

    @cached_property
    def index(self) -> Int[np.ndarray, "rows columns"]:
        """Number of each free cell in `cells`; -1 on walls."""
        index = np.full(self.shape, -1)
        index[self.free] = np.arange(len(self.cells))
        return index

    @cached_property
    def walls(self) -> Bool[np.ndarray, "rows_and_2 columns_and_2"]:
        """The walls with one ring more around the map: cell (r, c) is at [r + 1, c + 1]."""
        return np.pad(~self.free, 1, constant_values=True)

    @cached_property
    def text(self) -> str:
        """The map, as `from_text` reads it."""
        return "\n".join("".join(FREE if cell else WALL for cell in row) for row in self.free)


@lru_cache(maxsize=64)
def get(maze: str) -> Layout:
    """The maze of that name, or the maze of a text map (a string of `.`, `#` and line breaks)."""
    if maze in MAZES:
        return Layout.from_text(MAZES[maze].map, maze)
    if maze.strip() and set(maze) <= set(f"{FREE}{WALL} \t\r\n"):
        return Layout.from_text(maze)
    close = difflib.get_close_matches(maze.lower(), MAZES, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise InputError(f"maze {maze!r}: unknown; {hint}allowed: {', '.join(MAZES)}, or a text map of '.' and '#'")


def _check_text(lines: list[str], name: str) -> None:
    strange = sorted({character for line in lines for character in line} - {FREE, WALL})
    if strange:
        raise InputError(f"maze {name}: unknown character {strange[0]!r} in the map; allowed: {FREE!r} and {WALL!r}")
    lengths = sorted({len(line) for line in lines})
    if len(lengths) > 1:
        raise InputError(f"maze {name}: rows of {lengths[0]} and of {lengths[-1]} cells; make all rows equally long")


def _check_connected(free: Bool[np.ndarray, "rows columns"], name: str) -> None:
    from scipy.ndimage import label  # half a second that whoever needs the names alone should not wait

    regions, count = label(free)
    if count > 1:
        smallest = 1 + int(np.argmin(np.bincount(regions.ravel())[1:]))
        row, column = np.argwhere(regions == smallest)[0]
        size = int((regions == smallest).sum())
        raise InputError(
            f"maze {name}: unreachable region of {size} cells at row {row + 1}, column {column + 1}; "
            "open a wall between it and the rest, or fill it"
        )
