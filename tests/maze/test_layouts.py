"""The maps themselves, and what is said about a wrong one."""

import numpy as np
import pytest

from ucl.errors import InputError
from ucl.maze import layouts
from ucl.maze.layouts import Layout

SHAPES = {
    "blank": (10, 10),
    "slit": (11, 11),
    "blocker": (11, 11),
    "island": (11, 11),
    "fork": (15, 15),
    "pyramid": (13, 13),
    "nested_pyramid": (17, 17),
    "umaze": (3, 3),
    "medium": (6, 6),
    "large": (7, 10),
}


@pytest.mark.parametrize("name", list(layouts.MAZES))
def test_every_maze_is_connected_by_its_sides(name: str) -> None:
    layout = layouts.get(name)
    assert layout.shape == SHAPES[name]
    seen, border = set(), [tuple(layout.cells[0].tolist())]
    while border:
        row, column = border.pop()
        if (row, column) in seen or not layout.free[row, column]:
            continue
        seen.add((row, column))
        border += [
            (row + i, column + j)
            for i, j in ((0, 1), (1, 0), (0, -1), (-1, 0))
            if 0 <= row + i < layout.shape[0] and 0 <= column + j < layout.shape[1]
        ]
    assert len(seen) == layout.free.sum() == len(layout.cells)


def test_the_fork_is_the_paper_s() -> None:
    free = layouts.get("fork").free
    assert free[::2].all()
    assert free[:, 10:].all()
    assert not free[1::2, :10].any()


def test_own_map() -> None:
    layout = layouts.get("..#\n.#.\n...")
    assert layout.name == "own"
    np.testing.assert_array_equal(layout.free, [[True, True, False], [True, False, True], [True, True, True]])
    np.testing.assert_array_equal(layout.cells, [[0, 0], [0, 1], [1, 0], [1, 2], [2, 0], [2, 1], [2, 2]])
    np.testing.assert_array_equal(layout.index, [[0, 1, -1], [2, -1, 3], [4, 5, 6]])
    assert layout.walls.shape == (5, 5)
    np.testing.assert_array_equal(layouts.get(layout.text).free, layout.free)


@pytest.mark.parametrize(
    ("maze", "message"),
    [
        ("forc", "maze 'forc': unknown; did you mean fork?"),
        ("", "maze '': unknown; allowed: blank"),
        ("##\n##", "no free cell"),
        ("..\n.", "rows of 1 and of 2 cells"),
        ("..#..\n..#..", "unreachable region of 4 cells at row 1, column 1"),
        (".#\n#.", "unreachable region of 1 cells"),
    ],
)
def test_bad_maps_are_told_in_one_line(maze: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        layouts.get(maze)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_strange_character() -> None:
    with pytest.raises(InputError, match=r"unknown character 'x' in the map; allowed: '\.' and '#'"):
        Layout.from_text("..\n.x")
