"""Which shard of which candidates an index holds, and whether several indexes make up the whole.

A shard reads its own rows alone, so what tells candidates from others (`mark`) cannot be a digest of them all: of a
file it is one of its size and of blocks spread over it. Other embeddings, another order and other samples differ nearly
everywhere; single rows changed between two builds are noticed where the file ends with a digest of its own, as what
`ucl embed` writes does (`ucl.seals`), and else where a block happens to hold them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ucl.core.fingerprint import Fingerprint
from ucl.core.prepared import shard_range
from ucl.core.readers import Rows
from ucl.errors import InputError

__all__ = ["Shard", "in_order", "mark"]

PLACES, BLOCK = 64, 2**16  # blocks of a file that are looked at, and their bytes: 4 MB
READ = 2**14  # rows read at a time, where there is no file


@dataclass(frozen=True)
class Shard:
    """The `index`-th (from 0) of `count` contiguous parts of candidates, and what it must have in common with others.

    Raises InputError where there is no such part.
    """

    index: int
    count: int
    rows: int  # of all candidates
    candidates: str  # their mark
    student: str  # its fingerprint

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count <= self.rows:
            raise InputError(
                f"shard must be one of 0 to count - 1, with count at most {self.rows}, the candidates: "
                f"got {self.index} of {self.count}"
            )

    @property
    def range(self) -> tuple[int, int]:
        """The row numbers where it begins and ends."""
        return shard_range(self.rows, self.index, self.count)

    def __str__(self) -> str:
        return f"{self.index + 1}/{self.count}"


def mark(rows: Rows) -> str:
    """What tells candidates from others: a digest of a glance at their file, or of all rows where they have none."""
    if rows.path and not rows.in_memory:
        return f"{_glance(Path(rows.path))} {rows.key}".strip()
    running = Fingerprint()
    for start in range(0, len(rows), READ):
        running.add(rows.read(start, min(start + READ, len(rows))))
    return running.digest()


def _glance(path: Path) -> str:
    """SHA-256 of a file's size and of blocks from its begin to its end."""
    size = path.stat().st_size
    running = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for place in range(PLACES):
            file.seek(max(0, size - BLOCK) * place // (PLACES - 1))
            running.update(file.read(BLOCK))
    return running.hexdigest()


def in_order(found: Sequence[tuple[Path, Shard | None]]) -> list[Path]:
    """The folders of indexes, by what each holds (None: all candidates), in the order of their rows.

    Raises InputError unless they are one whole index, or all shards of one set of candidates by one student, each once.
    """
    if not found:
        raise InputError("an index is made of one folder or more: got none; name those that `ucl index build` wrote")
    shards = [(path, shard) for path, shard in found if shard is not None]
    whole = [path for path, shard in found if shard is None]
    if whole and len(found) > 1:
        raise InputError(f"{whole[0]} is an index of all candidates: got {len(found) - 1} beside it; give it alone")
    if whole:
        return whole
    for path, shard in shards:
        _check_alike(path, shard, *shards[0])
    shards.sort(key=lambda each: each[1].index)
    for (path, shard), (after, other) in pairwise(shards):
        if shard.index == other.index:
            raise InputError(f"shards to search must differ: {path} and {after} are both {shard}; give it once")
    _check_complete([shard for _, shard in shards])
    return [path for path, _ in shards]


def _check_alike(path: Path, shard: Shard, first: Path, expected: Shard) -> None:
    """Raise unless two shards are of one set."""
    for what, own, other in (
        ("of one number of shards", shard.count, expected.count),
        ("of the same candidates", (shard.rows, shard.candidates), (expected.rows, expected.candidates)),
        ("by the same student", shard.student, expected.student),
    ):
        if own != other:
            raise InputError(
                f"shards to search must be {what}: {path} ({shard}) and {first} ({expected}) differ; build all shards "
                "with the same student, from the same file"
            )


def _check_complete(shards: Sequence[Shard]) -> None:
    """Raise unless these shards of one set, which differ, are all of them."""
    count = shards[0].count
    missing = sorted(set(range(count)) - {shard.index for shard in shards})
    if missing:
        named = ", ".join(f"{index + 1}/{count}" for index in missing[:5])
        rest = f" and {len(missing) - 5} others" if len(missing) > 5 else ""
        raise InputError(
            f"shards to search must make up all candidates: {named}{rest} missing; give all {count}, or the folder "
            "that holds them"
        )
