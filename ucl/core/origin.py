"""What a result was made from, and which results belong together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from ucl.errors import InputError

__all__ = ["Origin", "Piece", "joined"]


@dataclass(frozen=True)
class Piece:
    """Samples `start` to `stop` of the bank with this digest; `sharded` says that its other parts must come too."""

    bank: str
    start: int
    stop: int
    samples: int  # of the whole bank
    sharded: bool


@dataclass(frozen=True)
class Origin:
    """Digests of queries and candidates, kinds and scales of the critics, and the pieces of banks."""

    queries: str
    candidates: str
    ab: tuple[str, float]
    bc: tuple[str, float]
    pieces: tuple[Piece, ...]

    @staticmethod
    def from_json(about: dict[str, Any]) -> "Origin":
        """From what `asdict` makes of it."""
        pieces = tuple(Piece(**piece) for piece in about["pieces"])
        ab, bc = ((str(kind), float(scale)) for kind, scale in (about["ab"], about["bc"]))
        return Origin(about["queries"], about["candidates"], ab, bc, pieces)


def joined(origins: Sequence[Origin]) -> Origin:
    """The origin of merged results: the same inputs and critics over parts of one bank that do not overlap.

    Parts are shards, all of them, or ranges of one bank (`Bank.between`), or whole banks of which no two are the same.
    """
    first = origins[0]
    for name, what in (
        ("queries", "the same queries"),
        ("candidates", "the same candidates"),
        ("ab", "one A-B critic and scale"),
        ("bc", "one B-C critic and scale"),
    ):
        different = [getattr(o, name) for o in origins if getattr(o, name) != getattr(first, name)]
        if different:
            raise InputError(
                f"results to merge must be of {what}: got {getattr(first, name)} and {different[0]}; score each part "
                "with the same inputs"
            )
    pieces = sorted((p for o in origins for p in o.pieces), key=lambda p: (p.bank, p.start, p.stop))
    banks = {piece.bank for piece in pieces}
    if len(banks) > 1 and any(piece.stop - piece.start < piece.samples for piece in pieces):
        raise InputError(f"results to merge must be parts of one bank: got parts of {len(banks)} banks; score one bank")
    for one, other in pairwise(pieces):
        if one.bank == other.bank and other.start < one.stop:
            raise InputError(
                f"results to merge must be of different samples: {other.start} to {min(one.stop, other.stop)} come "
                "twice; give each part once"
            )
    if any(piece.sharded for piece in pieces):
        missing = _missing(pieces)
        if missing:
            raise InputError(
                f"shards to merge must make up the whole bank: samples {missing[0]} to {missing[1]} are missing; give "
                "all shards at once"
            )
    return replace(first, pieces=_coalesced(pieces))


def _missing(pieces: Sequence[Piece]) -> tuple[int, int] | None:
    """The first gap in the pieces of one bank."""
    end = 0
    for piece in pieces:
        if piece.start > end:
            return end, piece.start
        end = piece.stop
    return (end, pieces[0].samples) if end < pieces[0].samples else None


def _coalesced(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Adjacent pieces of one bank as one."""
    whole = [pieces[0]]
    for piece in pieces[1:]:
        last = whole[-1]
        if piece.bank == last.bank and piece.start == last.stop:
            whole[-1] = replace(last, stop=piece.stop, sharded=last.sharded or piece.sharded)
        else:
            whole.append(piece)
    return tuple(whole)
