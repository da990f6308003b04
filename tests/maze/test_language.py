"""The grammar against counting by hand, on mazes drawn at random."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ucl.errors import InputError
from ucl.maze.language import SPLITS, Grammar, ordinal, tokens

FORK = np.ones((15, 15), dtype=bool)
FORK[1::2, :10] = False


def grammar(free: np.ndarray) -> Grammar:
    return Grammar(SimpleNamespace(free=free))


@pytest.mark.parametrize(
    ("n", "word"), [(1, "first"), (5, "fifth"), (9, "ninth"), (12, "twelfth"), (20, "twentieth"), (43, "forty-third")]
)
def test_ordinals(n: int, word: str) -> None:
    assert ordinal(n) == word


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))).filter(lambda free: free.any()), st.data())
@settings(max_examples=60)
def test_lines_are_counted_inside_the_free_box(free: np.ndarray, data: st.DataObject) -> None:
    rows, columns = np.nonzero(free)
    at = data.draw(st.integers(0, len(rows) - 1))
    row, column = int(rows[at]), int(columns[at])
    from_top, from_right = row - rows.min() + 1, columns.max() - column + 1
    words = grammar(free)
    mask = words.denotation(f"Go to the {ordinal(int(from_top))} row!")
    assert {tuple(cell) for cell in np.argwhere(mask)} == {
        (r, c) for r, c in zip(rows, columns, strict=True) if r == row
    }
    cell = words.denotation(
        f"the {ordinal(int(from_top))} row and the {ordinal(int(from_right))} column from the right"
    )
    assert np.argwhere(cell).tolist() == [[row, column]]


def test_the_words_mean_what_they_say() -> None:
    words = grammar(FORK)
    r, c = np.indices(FORK.shape)
    expected = {
        "the first column": c == 0,
        "the second-to-last row": r == 13,
        "the row from nowhere": None,
        "Amber Avenue": c == 0,
        "the street called Cedar": r == 2,
        "rows three to five": (r >= 2) & (r <= 4),
        "west of column four": c < 3,
        "below the twelfth row": r > 11,
        "the lower right corner": (r >= 12) & (c >= 12),
        "the top half": r < 7,
        "the western third in the bottom half": (c < 5) & (r > 7),
        "where Ash Street meets the last column": (r == 0) & (c == 14),
        "near the centre": (abs(r - 7) <= 2) & (abs(c - 7) <= 2),
        "on the perimeter": (r % 14 == 0) | (c % 14 == 0),
    }
    for text, mask in expected.items():
        if mask is None:
            with pytest.raises(InputError, match="outside the grammar"):
                words.denotation(text)
        else:
            np.testing.assert_array_equal(words.denotation(text), mask & FORK, err_msg=text)


@pytest.mark.parametrize("free", [FORK, np.ones((10, 10), dtype=bool), np.pad(np.ones((6, 7), dtype=bool), 1)])
def test_splits(free: np.ndarray) -> None:
    words = grammar(free)
    splits = {split: words.phrases(split) for split in SPLITS}
    assert splits["train"] == grammar(free).phrases("train")
    everything = [text for phrases in splits.values() for text in phrases]
    assert len(set(everything)) == len(everything)
    known = {word for text in splits["train"] for word in tokens(text)}
    sizes = [words.denotation(text).sum() for text in everything]
    assert {word for text in everything for word in tokens(text)} <= known
    assert min(sizes) == 1
    assert 0.4 * free.sum() < max(sizes) <= free.sum() / 2
    for text in splits["test_wording"]:
        same = words.same_meaning(text)
        assert same
        assert set(same) <= set(splits["train"])
        assert all((words.denotation(other) == words.denotation(text)).all() for other in same)


def test_no_wording_means_two_places() -> None:
    words = grammar(FORK)
    for region in words.regions:
        for text in region.wordings:
            np.testing.assert_array_equal(words.denotation(text), region.mask, err_msg=text)


@pytest.mark.parametrize(
    "text", ["", "the moon", "the first row and", "row one hundred", "the first row in the last row"]
)
def test_other_words_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as error:
        grammar(FORK).denotation(text)
    assert "\n" not in str(error.value)


def test_no_free_cell_and_unknown_split() -> None:
    with pytest.raises(InputError, match="at least one free cell"):
        grammar(np.zeros((3, 3), dtype=bool))
    with pytest.raises(InputError, match="split must be one of"):
        grammar(FORK).phrases("validation")
