"""Words that mean places: a small grammar in which every phrase denotes an exact set of cells (section 6.3).

A *region* (the third row, the north-west corner, rows two to four, ...) is a set of cells with several wordings; two
regions joined by a connective denote the cells they share. Rows and columns are counted inside the bounding box of the
free cells, so that an outer wall has no number.
"""

import difflib
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool

from ucl.errors import InputError

__all__ = ["SPLITS", "Grammar", "Region", "tokens"]

SPLITS = ("train", "test_wording", "test_composition")
COMPOSITIONS = {"train": 2000, "test_composition": 40}
STREETS, AVENUES, UNITS, TENS = (
    words.split()
    for words in (
        "Ash Birch Cedar Dogwood Elm Fir Ginkgo Hazel Ivy Juniper Kauri Larch Maple Nutmeg Oak Pine Quince Rowan "
        "Spruce Teak Ulmo Viburnum Willow Xylia Yew Zelkova",
        "Amber Bronze Copper Diamond Emerald Flint Garnet Helium Iron Jade Kyanite Lapis Marble Nickel Opal Pearl "
        "Quartz Ruby Silver Topaz Uvite Vanadium Wolfram Xenon Yttrium Zircon",
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen",
        "zero ten twenty thirty forty fifty sixty seventy eighty ninety",
    )
)
IRREGULAR = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
CROSSINGS = ("{a} and {b}", "where {a} meets {b}", "the crossing of {a} and {b}")
AREAS = ("half", "third", "quadrant", "corner")
LINES = ("row", "column")
Mask = Bool[np.ndarray, "rows cols"]


@runtime_checkable
class HasFree(Protocol):
    """What the grammar needs of a layout: its free cells."""

    @property
    def free(self) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Region:
    """A set of cells and the ways to say it; `held_out` is the wording kept for the test, if any."""

    kind: str
    mask: Mask
    wordings: tuple[str, ...]
    held_out: str | None = None


@dataclass(frozen=True)
class Axis:
    """The words of one axis; `low` is where counting starts."""

    line: str
    road: str
    names: list[str]
    low: tuple[str, str]
    high: tuple[str, str]
    before: tuple[str, str]
    after: tuple[str, str]
    extremes: tuple[str, str]


ROWS = Axis("row", "street", STREETS, ("top", "upper"), ("bottom", "lower"), ("above", "north of"),
            ("below", "south of"), ("topmost", "bottommost"))  # fmt: skip
COLUMNS = Axis("column", "avenue", AVENUES, ("left", "western"), ("right", "eastern"), ("left of", "west of"),
               ("right of", "east of"), ("leftmost", "rightmost"))  # fmt: skip


def tokens(text: str) -> list[str]:
    """The words of a text, in lower case: `Go to the Second-to-last row!` -> go to the second to last row."""
    return re.findall(r"[a-z]+", text.casefold())


def cardinal(n: int) -> str:
    """7 -> seven; up to 99."""
    if n < 20:
        return UNITS[n]
    return TENS[n // 10] if n % 10 == 0 else f"{TENS[n // 10]}-{UNITS[n % 10]}"


def ordinal(n: int) -> str:
    """21 -> twenty-first."""
    head, dash, last = cardinal(n).rpartition("-")
    if last in IRREGULAR:
        return head + dash + IRREGULAR[last]
    return head + dash + (f"{last[:-1]}ieth" if last.endswith("y") else f"{last.replace('twelve', 'twelf')}th")


class Grammar:
    """All phrases about one layout, what they denote, and which of them training may see."""

    def __init__(self, layout: HasFree) -> None:
        self.free: Mask = np.asarray(layout.free, dtype=bool)
        if not self.free.any():
            raise InputError("a maze needs at least one free cell to be spoken of: got none; open a cell of the map")
        rows, columns = np.nonzero(self.free.any(1))[0], np.nonzero(self.free.any(0))[0]
        self._corner = int(rows[0]), int(columns[0])
        self.box = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
        if max(self.box) > 99:
            raise InputError(f"the grammar counts to 99 lines: got {self.box[0]} x {self.box[1]}; use a smaller maze")
        regions = (replace(r, mask=self._place(r.mask)) for r in _regions(*self.box))
        self.regions: list[Region] = [r for r in regions if r.mask.any()]
        self._atoms = {_plain(w): r for r in self.regions for w in r.wordings}

    def denotation(self, text: str) -> Mask:
        """The free cells that `text` means; InputError on text outside the grammar or that means no free cell."""
        parts = [self._atoms.get(part) for part in _parts(_plain(text))]
        if any(part is None for part in parts):
            close = difflib.get_close_matches(_plain(text), self._atoms, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise InputError(
                f"instruction {text!r} is outside the grammar: {hint}allowed are places such as 'the first column', "
                "'row two', 'the top left corner', 'left of column three', 'near the centre', joined by 'and' or 'in'"
            )
        mask = np.logical_and.reduce([part.mask for part in parts if part is not None])
        if not mask.any():
            raise InputError(f"instruction {text!r} denotes no free cell; join places that overlap")
        return mask

    def phrases(self, split: str) -> list[str]:
        """The phrases of a split: from one cell to half of the free cells, in a fixed order without repetition.

        `test_wording`: one wording of a region whose other wordings are in `train`.
        `test_composition`: two regions that `train` holds, but never joined, each in a wording that `train` holds.
        """
        if split not in SPLITS:
            raise InputError(f"split must be one of {', '.join(SPLITS)}: got {split!r}")
        return list(self._splits[split])

    def kind(self, text: str) -> str:
        """`row`, `corner`, `band`, ..., or `conjunction`."""
        self.denotation(text)
        region = self._atoms.get(_plain(text))
        return region.kind if region else "conjunction"

    def same_meaning(self, text: str) -> list[str]:
        """The wordings in `train` of the region that `text` names; empty for a conjunction."""
        region = self._atoms.get(_plain(text))
        return [w for w in region.wordings if w != region.held_out] if region else []

    def _place(self, box: Bool[np.ndarray, "height width"]) -> Mask:
        (top, left), (height, width) = self._corner, self.box
        mask = np.zeros_like(self.free)
        mask[top : top + height, left : left + width] = box
        return mask & self.free

    @cached_property
    def _splits(self) -> dict[str, list[str]]:
        spoken = [r for r in self.regions if 2 * r.mask.sum() <= self.free.sum()]
        splits: dict[str, list[str]] = {
            "train": [w for r in spoken for w in r.wordings if w != r.held_out],
            "test_wording": [r.held_out for r in spoken if r.held_out is not None],
            "test_composition": [],
        }
        for crossing in (True, False):
            pairs = sorted(_pairs(spoken, crossing), key=lambda pair: _hash(_name(pair)))
            for split, number in COMPOSITIONS.items():
                mine = [p for p in pairs if (_hash(_name(p) + "?") % 5 == 0) == (split == "test_composition")]
                splits[split] += [_join(*pair) for pair in mine[: number // 2]]
        return {split: list(dict.fromkeys(phrases)) for split, phrases in splits.items()}


def _plain(text: str) -> str:
    words = " ".join(tokens(text))
    return re.sub(r"^(go to|walk to|reach) ", "", words)


def _parts(words: str) -> list[str]:
    crossing = re.fullmatch(r"where (.+?) meets (.+)|the crossing of (.+?) and (.+)", words)
    if crossing:
        return [part for part in crossing.groups() if part is not None]
    return re.split(r" and | in ", words)


def _regions(height: int, width: int) -> Iterator[Region]:
    """Every region of a box of cells, by kind; masks have the box's shape."""
    r, c = np.indices((height, width))
    kinds = [
        [*_lines(ROWS, r, height)],
        [*_lines(COLUMNS, c, width)],
        [*_bands(ROWS, r, height), *_bands(COLUMNS, c, width)],
        [*_sides(ROWS, r, height), *_sides(COLUMNS, c, width)],
        [*_halves(ROWS, r, height), *_halves(COLUMNS, c, width)],
        [*_thirds(ROWS, r, height), *_thirds(COLUMNS, c, width)],
        [*_squares("quadrant", ("quadrant", "quarter", "quadrant"), r, c, (height // 2, width // 2))],
        [*_squares("corner", ("corner", "corner", "corner"), r, c, (-(-height // 5), -(-width // 5)))],
    ]
    for regions in kinds:
        for rank, region in enumerate(regions):
            common = min(len(other.wordings) for other in regions)
            yield replace(region, held_out=region.wordings[(rank + 3) % common])
    away = np.maximum(abs(2 * r - height + 1) / height, abs(2 * c - width + 1) / width)
    yield Region("centre", away <= 1 / 3, ("near the centre", "around the middle", "close to the center"))
    edge = (r == 0) | (r == height - 1) | (c == 0) | (c == width - 1)
    yield Region("edge", edge, ("along the outer edge", "next to the border", "on the perimeter"))


def _lines(axis: Axis, index: np.ndarray, n: int) -> Iterator[Region]:
    for i in range(n):
        up, down = ordinal(i + 1), ordinal(n - i)
        name = axis.names[i] if i < len(axis.names) else f"{up}"
        wordings = (
            f"the {up} {axis.line}",
            f"{axis.line} {cardinal(i + 1)}",
            f"the {up} {axis.line} from the {axis.low[0]}",
            f"the {down} {axis.line} from the {axis.high[0]}",
            f"the last {axis.line}" if i == n - 1 else f"the {down}-to-last {axis.line}",
            f"{name} {axis.road}",
            f"the {axis.road} called {name}",
        )
        ends = [f"the {word} {axis.line}" for at, word in zip((0, n - 1), axis.extremes, strict=True) if i == at]
        yield Region(axis.line, index == i, (*wordings, *ends))


def _bands(axis: Axis, index: np.ndarray, n: int, size: int = 3) -> Iterator[Region]:
    for i in range(n - size + 1):
        first, last = cardinal(i + 1), cardinal(i + size)
        wordings = (
            f"{axis.line}s {first} to {last}",
            f"from {axis.line} {first} to {axis.line} {last}",
            f"the {axis.line}s from {first} to {last}",
        )
        yield Region("band", (index >= i) & (index < i + size), wordings)


def _sides(axis: Axis, index: np.ndarray, n: int) -> Iterator[Region]:
    for i in range(n):
        for words, mask in ((axis.before, index < i), (axis.after, index > i)):
            wordings = (
                f"{words[0]} {axis.line} {cardinal(i + 1)}",
                f"{words[0]} the {ordinal(i + 1)} {axis.line}",
                f"{words[1]} {axis.line} {cardinal(i + 1)}",
                f"{words[1]} the {ordinal(i + 1)} {axis.line}",
            )
            yield Region("side", mask, wordings)


def _halves(axis: Axis, index: np.ndarray, n: int) -> Iterator[Region]:
    for words, mask in ((axis.low, index < n // 2), (axis.high, index >= n - n // 2)):
        yield Region("half", mask, (f"the {words[0]} half", f"the {words[1]} half", f"the {words[0]} side"))


def _thirds(axis: Axis, index: np.ndarray, n: int) -> Iterator[Region]:
    third = n // 3
    parts = ((axis.low, index < third), (axis.high, index >= n - third))
    for words, mask in parts if third else ():
        yield Region("third", mask, (f"the {words[0]} third", f"the {words[1]} third", f"one third at the {words[0]}"))


def _squares(
    kind: str, nouns: tuple[str, str, str], r: np.ndarray, c: np.ndarray, size: tuple[int, int]
) -> Iterator[Region]:
    height, width = r.shape
    for i, north in enumerate((True, False)):
        for j, west in enumerate((True, False)):
            rows = r < size[0] if north else r >= height - size[0]
            columns = c < size[1] if west else c >= width - size[1]
            wordings = (
                f"the {('top', 'bottom')[i]} {('left', 'right')[j]} {nouns[0]}",
                f"the {('upper', 'lower')[i]} {('left', 'right')[j]} {nouns[1]}",
                f"the {('north', 'south')[i]} {('west', 'east')[j]} {nouns[2]}",
            )
            yield Region(kind, rows & columns, wordings)


def _pairs(regions: list[Region], crossing: bool) -> Iterator[tuple[Region, Region]]:
    """Regions of two kinds whose common cells are fewer than either's; `crossing`: a row and a column."""
    cells = np.stack([r.mask.ravel() for r in regions]).astype(np.int64)
    size, common = cells.sum(1), cells @ cells.T
    fewer = (common > 0) & (common < size[:, None]) & (common < size[None, :])
    for i, j in np.argwhere(np.triu(fewer, 1)):
        a, b = regions[i], regions[j]
        if a.kind != b.kind and ((a.kind in LINES and b.kind in LINES) == crossing):
            yield a, b


def _join(a: Region, b: Region) -> str:
    """One phrase for the cells of both; which wordings and which connective is a function of the pair."""
    choice = _hash(_name((a, b)))
    words = [[w for w in region.wordings if w != region.held_out] for region in (a, b)]
    texts = {"a": words[0][choice % len(words[0])], "b": words[1][choice // 7 % len(words[1])]}
    if a.kind in LINES and b.kind in LINES:
        return CROSSINGS[choice // 49 % len(CROSSINGS)].format(**texts)
    forms = ("{a} and {b}", "{a} in {b}") if b.kind in AREAS else ("{a} and {b}",)
    return forms[choice // 49 % len(forms)].format(**texts)


def _name(pair: tuple[Region, Region]) -> str:
    return " | ".join(region.wordings[0] for region in pair)


def _hash(text: str) -> int:
    return zlib.crc32(text.encode())
