"""Answers over the shards of a bank, for grids that need not fit in memory: scored and merged a tile of rows at a time.

**Exactness.** A part holds, in float64, log sums over its own samples of pairs (a, c), of queries alone and of
candidates alone; no mean and no normaliser is taken yet. Sums over shards add up to those over the bank, so

    score = log sum_s exp P_s + log M - log sum_s exp R_s - log sum_s exp C_s

is the normalised score over the whole bank (P pairs, R rows, C columns of shard s), never a mixture of scores that each
shard normalised by itself. If each P_s, R_s and C_s is off by at most e, so is the logarithm of their sum: the bound
stated for one bank holds for its shards, however many, but for the rounding of float64 (1e-15 a shard).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from ucl.core.bridge import Bridge
from ucl.core.fingerprint import fingerprint
from ucl.core.log_sum_exp import LogSums
from ucl.core.moments import KnownMoments, add_sums
from ucl.core.origin import joined
from ucl.core.part_files import open_part, put_tile, read_about, read_bytes, read_sums
from ucl.core.result import BridgeResult
from ucl.errors import InputError
from ucl.seals import seal

__all__ = ["Parts", "score_part"]

# Entries of the grid that are worked on together. Scoring reads the bank anew for every tile and takes about 20 bytes
# an entry, with errors four times that; a merge takes about 80 and reads its files once, whatever the tiles.
SCORED, MERGED = 2**26, 2**23


def score_part(
    bridge: Bridge,
    a: torch.Tensor,
    c: torch.Tensor,
    path: Path,
    *,
    errors: bool = False,
    extra: dict[str, np.ndarray] | None = None,
    progress: bool = True,
) -> int:
    """Score `a` [n, d1] against `c` [k, d2] over the bridge's bank, a shard, into a file for `Parts`.

    The file is what `BridgeResult.save` writes. `extra` are arrays of bytes to go with it. Returns how many entries the
    certificate sent to an exact path. `path` is a temporary name: on any exception the file is to be thrown away.
    """
    step = max(1, SCORED // (4 if errors else 1) // len(c))
    starts, recomputed, file = range(0, len(a), step), 0, None
    try:
        for start in tqdm(starts, "tiles of queries", disable=not progress or len(starts) == 1):
            with torch.no_grad():
                tile = bridge.score(a[start : start + step], c, progress=progress)
                kept = tile.kept(errors)
            if file is None:
                about = tile.about(errors)
                about = replace(about, origin=replace(about.origin, queries=fingerprint(a)))
                file = open_part(path, about, kept, len(a), extra)
            recomputed = put_tile(file, kept, start, recomputed)
            del tile, kept  # before the next one is made
    finally:
        if file is not None:
            file.file.close()
    seal(path)
    return recomputed


class Parts:
    """The files of all shards of one bank as one answer, of which tiles of rows are asked for.

    Checks all files by their seals and that they belong together, as `merge` does: a part twice, a shard too few, a
    part of another bank, other inputs, critics, normalisation or precision raise InputError.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        if not paths:
            raise InputError("merge needs at least one part: got none; name the files of all shards")
        self.paths = list(paths)
        read = [read_about(path) for path in self.paths]
        self.abouts = [about for about, _ in read]
        self.held = [set(shapes) for _, shapes in read]
        self.shape = read[0][1]["first"]
        for path, (about, shapes) in zip(self.paths, read, strict=True):
            self._check(path, about.normalize, "normalised", self.abouts[0].normalize)
            self._check(path, about.dtype, "precision", self.abouts[0].dtype)
            self._check(path, about.squared_weight is not None, "with errors", self.errors)
            self._check(path, shapes["first"], "grid", self.shape)
        self.origin = joined([about.origin for about in self.abouts])
        self.bank_size = sum(about.bank_size for about in self.abouts)
        self.recomputed = sum(read_sums(path, "first", slice(0, 1)).recomputed for path in self.paths)

    def _check(self, path: str | Path, found: Any, what: str, expected: Any) -> None:
        if found != expected:
            raise InputError(
                f"parts to merge must be alike: {path} has {what}: {found}, {self.paths[0]} has {expected}; "
                "score all shards with the same options"
            )

    @property
    def errors(self) -> bool:
        """Whether the parts hold what standard errors need."""
        return self.abouts[0].squared_weight is not None

    def bytes(self, name: str) -> bytes | None:
        """An array of bytes that goes with the parts, the same in all."""
        found = [read_bytes(path, name) for path in self.paths]
        for path, one in zip(self.paths, found, strict=True):
            if one != found[0]:
                raise InputError(
                    f"parts to merge must have the same {name}s: those of {path} and of {self.paths[0]} differ; score "
                    "all shards with the same files"
                )
        return found[0]

    def tiles(self, progress: bool = True) -> Iterator[BridgeResult]:
        """The merged answer, some rows after the other."""
        step = max(1, MERGED // self.shape[1])
        starts = range(0, self.shape[0], step)
        for start in tqdm(starts, "merge", unit="tile", disable=not progress, delay=3):
            yield self.tile(slice(start, start + step))

    def tile(self, rows: slice) -> BridgeResult:
        """Some rows of the merged answer."""
        names = sorted(set().union(*self.held))
        sums = {name: self._sums(name, rows) for name in names}
        second = {(int(name[-2]), int(name[-1])): sums[name] for name in names if name != "first"}
        squared = [about.squared_weight for about in self.abouts]
        total = sum(one for one in squared if one is not None) if self.errors else None
        moments = KnownMoments(sums["first"], second, sum(about.weight for about in self.abouts), total)
        about = self.abouts[0]
        return BridgeResult(moments, self.bank_size, about.form, about.normalize, self.origin)

    def _sums(self, name: str, rows: slice) -> LogSums:
        """Over all parts, of which two are held at a time; where all samples weigh one, (1, 1) are the first sums."""
        names = (name if name in held else "first" for held in self.held)
        return reduce(add_sums, (read_sums(path, one, rows) for path, one in zip(self.paths, names, strict=True)))
