"""A bank: samples of the shared modality as the two models embed them, in blocks that fit in memory."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from ucl.core.arguments import is_whole
from ucl.core.critics import Cosine, Critic, check_critic, represent
from ucl.core.fingerprint import CHUNK, Fingerprint, Seal, row_hashes
from ucl.core.matrices import given_ids, in_type_of
from ucl.core.origin import Piece
from ucl.core.prepared import FolderWriter, read_folder, shard_range
from ucl.core.readers import Rows, as_rows, check_finite, concatenate, in_order_of, rows_between
from ucl.core.tight_blocks import tight_groups
from ucl.core.weights import checked_weights, pool
from ucl.errors import InputError

__all__ = ["Bank"]

PART = 2**17  # rows that are clustered together, and one file of a saved bank
PIECE = 2**14  # rows that are hashed together
KEPT = 2**27  # numbers a side may have for its rows of norm one to be kept beside it


class Bank:
    """M samples of B, embedded by the A-B model (`for_a`, [M, d1]) and by the B-C model (`for_c`, [M, d2]).

    Row i of both is the same sample. Without `for_c`, both models share one embedding of B. Arrays, tensors, memory
    maps and files (.npy, .npz, .safetensors, .parquet) are taken; files are read a block at a time, never whole.

    `weights` [M], positive, say how much each sample counts: as if it stood in the bank that often. Samples whose rows
    are equal are one sample with the sum of their weights (see `ucl.core.result`); none are dropped.
    `ids` [M] are what the samples are called (strings or whole numbers); by default what a file's `id` holds.

    **A bank is a view.** It copies nothing and holds what the given arrays, tensors and files hold: scores always
    describe what is there when `score` is called, also after a change in place (a bank that is being learned). What is
    remembered (rows of norm one, which rows are equal) is kept under a fingerprint of all numbers, taken anew at every
    use; what is read from files and memory maps is not remembered, and its fingerprint is taken as it is read. A result
    is held to the bank it was scored with: errors and gradients that are asked for after a change raise `ChangedError`.
    A prepared bank (`prepare`, `load`) owns its rows: their digest is known, and nothing is looked at again.

    Raises InputError where a matrix is empty, not two-dimensional, not floating-point, not finite (which row), or where
    the sides or the weights do not describe the same number of samples.
    """

    def __init__(self, for_a: Any, for_c: Any = None, *, weights: Any = None, ids: Any = None) -> None:
        self.for_a: Rows = as_rows(for_a, "bank.for_a")
        self.for_c: Rows = self.for_a if for_c is None or for_c is for_a else as_rows(for_c, "bank.for_c")
        self.for_c = in_order_of(self.for_a, self.for_c)
        if len(self.for_a) != len(self.for_c):
            raise InputError(
                "bank.for_a and bank.for_c must describe the same samples: "
                f"got {len(self.for_a)} and {len(self.for_c)} rows; embed the same samples with both models"
            )
        self.weights = None if weights is None else checked_weights(weights, len(self.for_a))
        self._ids = None if ids is None else given_ids(ids, len(self.for_a))
        self.unit = (False, False)  # whether the rows of for_a and of for_c are known to have norm one
        self.cuts: list[int] | None = None  # where tight blocks end
        self.digest: str | None = None  # of a bank that owns its rows
        self.critics: tuple[tuple[str, float], ...] | None = None  # kinds and scales it was prepared for
        self.whole: Bank | None = None  # what it is a part of (None: itself), from which sample on
        self.start, self.sharded = 0, False
        self.shard_of: tuple[int, int] | None = None  # which of how many shards it is
        self._piece: Piece | None = None  # of a prepared shard: what it was before
        self._kept: tuple[tuple[Any, ...], Bank] | None = None
        self._pooled: tuple[str, Tensor | None] | None = None
        self._finite: str | None = None  # fingerprint of what was found finite
        self._read_once: str | None = None  # fingerprint of a whole that is read from files, for its parts

    def __len__(self) -> int:
        return len(self.for_a)

    def __repr__(self) -> str:
        widths = " and ".join(str(rows.shape[1]) for rows in self._sides)
        made = [f"{kind} of scale {scale:g}" for kind, scale in self.critics or ()]
        kinds = ["weighted"] * (self.weights is not None) + [f"prepared for {' and '.join(made)}"] * bool(made)
        return f"Bank({', '.join([f'{len(self)} samples, {widths} wide', *kinds])})"

    @property
    def ids(self) -> pa.Array | None:
        """What its samples are called: the ids it was given, or those of its files; None where there are none."""
        if self._ids is None and self.whole is not None:
            known = self.whole.ids
            return None if known is None else known.slice(self.start, len(self))
        if self._ids is None:
            self._ids = next((ids for rows in self._sides if (ids := rows.ids()) is not None), None)
        return self._ids

    @property
    def shared(self) -> bool:
        """Whether both models use one embedding of B."""
        return self.for_a is self.for_c

    def like(self, x: Tensor) -> tuple[Float[Tensor, "m d1"], Float[Tensor, "m d2"]]:
        """Both sides in memory, without gradients, in the type and on the device of `x`."""
        for_a, for_c = (in_type_of(x, rows.read(0, len(rows)).detach(), rows.name) for rows in (self.for_a, self.for_c))
        return for_a, for_c

    def cuts_for(self, size: int) -> list[int]:
        """Where blocks of at most `size` samples end; they never reach over the end of a tight block."""
        cuts, start = [], 0
        for end in self.cuts or [len(self)]:
            cuts += [*range(start + size, end, size), end]
            start = end
        return cuts

    @property
    def in_memory(self) -> bool:
        """Whether reading costs nothing."""
        return self.for_a.in_memory and self.for_c.in_memory

    @property
    def learned(self) -> bool:
        """Whether gradients are asked for with respect to any of its rows."""
        return any(rows.in_memory and rows.read(0, 1).requires_grad for rows in self._sides)

    def fingerprint(self) -> str:
        """Digest of all that the bank holds now: rows, weights, and whether both sides are one."""
        if self.digest is not None:
            return self.digest
        running = [Fingerprint() for _ in self._sides]
        for rows, side in zip(self._sides, running, strict=True):
            step = max(1, CHUNK // rows.shape[1])
            for start in range(0, len(rows), step):
                side.add(rows.read(start, min(start + step, len(rows))))
        return self._digest(running)

    def piece(self, mark: str) -> Piece:
        """Which part of which bank this is; `mark` is its own fingerprint."""
        if self._piece is not None:
            return self._piece
        whole = self.whole or self
        digest = mark if whole is self else whole._mark()
        return Piece(digest, self.start, self.start + len(self), len(whole), self.sharded)

    def _mark(self) -> str:
        """Fingerprint for the parts of this bank; where it is read from files, they share one reading."""
        if self.in_memory or self.digest is not None:
            return self.fingerprint()
        self._read_once = self._read_once or self.fingerprint()
        return self._read_once

    def blocks(
        self, cuts: list[int], progress: bool = True, seal: Seal | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Matching blocks of `for_a` and `for_c`, checked; a progress bar appears after a few seconds.

        Raises ChangedError where the bank is not what an earlier pass with the same `seal` read: before the first block
        where it is in memory, after the last where it is read from files.
        """
        seal = seal or Seal()
        running = self._begin(seal)
        starts = zip([0, *cuts], cuts, strict=False)
        for start, stop in tqdm(
            starts, total=len(cuts), desc="bank", unit="block", disable=not progress, delay=3, leave=False
        ):
            block = [self._read(rows, start, stop) for rows in self._sides]
            for side, rows in zip(running, block, strict=False):
                side.add(rows)
            yield block[0], block[-1]
        if running:
            seal.check(self._digest(running))

    def _begin(self, seal: Seal) -> list[Fingerprint]:
        """Check what can be checked before a pass; fingerprints of what must be looked at as it is read."""
        if not self.in_memory and self.digest is None:
            return [Fingerprint() for _ in self._sides]
        mark = self.fingerprint()
        seal.check(mark)
        if self.digest is None and mark != self._finite:
            for rows in self._sides:
                check_finite(rows.read(0, len(rows)).detach(), rows.name)
            self._finite = mark
        return []

    @property
    def _sides(self) -> list[Rows]:
        return [self.for_a] if self.shared else [self.for_a, self.for_c]

    def _digest(self, running: list[Fingerprint]) -> str:
        if self.weights is not None:
            running = [*running, Fingerprint()]
            running[-1].add(self.weights[:, None])
        return "-".join([str(len(self._sides)), *(side.digest() for side in running)])

    def shard(self, index: int, count: int) -> "Bank":
        """The `index`-th of `count` parts of the bank; `merge` puts the results of all parts together.

        Which samples are repeats is told by the whole bank, so that the merged errors are those of the whole.
        """
        if not (is_whole(index) and is_whole(count) and 0 <= index < count <= len(self)):
            most = len(self)
            raise InputError(f"shard must be one of 0 to count - 1, with count at most {most}: got {index} of {count}")
        part = self.between(*shard_range(len(self), index, count))
        part.sharded, part.shard_of = True, (index, count)
        return part

    def between(self, start: int, stop: int) -> "Bank":
        """The samples `start` to `stop` as a bank of their own."""
        if self._piece is not None:
            raise InputError("a prepared shard is scored whole: got a part of it; prepare the bank in more shards")
        if not (is_whole(start) and is_whole(stop) and 0 <= start < stop <= len(self)):
            raise InputError(f"a part of a bank of {len(self)} must be within it: got {start} to {stop}")
        for_a = rows_between(self.for_a, start, stop)
        part = Bank(for_a, for_a if self.shared else rows_between(self.for_c, start, stop))
        part.weights = None if self.weights is None else self.weights[start:stop]
        part.unit, part.critics = self.unit, self.critics
        part.whole, part.start, part.sharded = self.whole or self, self.start + start, self.sharded
        part.digest = self.digest and f"{self.digest}[{start}:{stop}]"
        if self.cuts is not None:
            inner = [cut for cut in self.cuts if start < cut < stop]
            part.cuts = [cut - start for cut in (*inner, stop)]
        return part

    def log_weights(self, squared: Seal | None = None) -> Float[Tensor, " m"] | None:
        """Logarithm of the weights (None: all alike); `squared` by those of all samples like each, given a seal."""
        if squared is None:
            return None if self.weights is None else self.weights.log()
        pooled = self.pooled(squared)
        if pooled is None:
            return None
        return pooled.log() if self.weights is None else pooled.log() + self.weights.log()

    def pooled(self, seal: Seal) -> Float[Tensor, " m"] | None:
        """The weight of all samples like each sample; None where no two are alike and there are no weights."""
        if self.sharded and self.whole is not None:
            whole = Seal()
            whole.check(self.whole._mark())
            pooled = self.whole.pooled(whole)
            return None if pooled is None else pooled[self.start : self.start + len(self)]
        if self._pooled is None or self._pooled[0] != (self.digest or seal.mark):
            hashes = [
                row_hashes([for_a] if self.shared else [for_a, for_c])
                for for_a, for_c in self.blocks(self.cuts_for(PIECE), False, seal)
            ]
            assert seal.mark is not None
            self._pooled = (seal.mark, pool(np.concatenate(hashes), self.weights))
        return self._pooled[1]

    def total_weight(self) -> float:
        """The sum of the weights."""
        return float(len(self)) if self.weights is None else float(self.weights.sum())

    def squared_weight(self, seal: Seal) -> float:
        """The sum of squares of the weights of distinct samples."""
        pooled = self.pooled(seal)
        if pooled is None:
            return float(len(self))
        return float(pooled.sum() if self.weights is None else pooled @ self.weights)

    def check_critics(self, ab: Critic, bc: Critic) -> None:
        """Raise unless the bank, if prepared, was prepared for these kinds of critics and these scales.

        Another scale would be answered as exactly, but is far more often a mistake than meant; only a scale that is
        being learned (a tensor that requires gradients) may differ.
        """
        for critic, side, was in zip((ab, bc), ("for_a", "for_c"), self.critics or (), strict=False):
            kind, scale = was
            if kind != critic.name:
                raise InputError(
                    f"bank.{side} was prepared for the {kind} critic: got the {critic.name} critic; prepare it again"
                )
            learned = isinstance(critic.scale, Tensor) and critic.scale.requires_grad
            if not learned and abs(critic.number - scale) > 1e-6 * scale:
                raise InputError(
                    f"bank.{side} was prepared for another bridge, of scale {scale:g}: got {critic.number:g}; use the "
                    "scale the model was trained with, or prepare it again"
                )

    def represented(self, ab: Critic, bc: Critic) -> "Bank":
        """The same bank with rows of norm one for cosine critics, kept for the next time; streamed or large: as it is.

        A bank that was changed in place since is represented again.
        """
        kinds = tuple(isinstance(critic, Cosine) and not unit for critic, unit in zip((ab, bc), self.unit, strict=True))
        large = max(rows.shape[0] * rows.shape[1] for rows in (self.for_a, self.for_c)) > KEPT
        if large or not any(kinds) or not self.in_memory:
            return self
        mark = self.fingerprint()
        kept = self._kept
        if kept is None or kept[0] != (*kinds, mark):
            self._kept = kept = ((*kinds, mark), self._represent(ab, bc, mark))
        return kept[1]

    def _represent(self, ab: Critic, bc: Critic, mark: str) -> "Bank":
        sides = []
        for critic, rows, unit in ((ab, self.for_a, self.unit[0]), (bc, self.for_c, self.unit[1])):
            block = rows.read(0, len(rows)).detach()
            check_finite(block, rows.name)
            sides.append(represent(critic, block, rows.name, unit))
            if self.shared and type(ab) is type(bc):
                break
        bank = Bank(*sides)
        bank.cuts, bank.digest = self.cuts, mark
        bank.unit = (self.unit[0] or isinstance(ab, Cosine), self.unit[1] or isinstance(bc, Cosine))
        return bank

    def prepare(self, ab: Any, bc: Any, path: str | Path | None = None, *, progress: bool = True) -> "Bank":
        """The same bank with the work done that belongs to it alone: rows of norm one (cosine), in tight blocks.

        Rows are clustered, within parts of 131,072, by what both critics see of them, and sorted by cluster; which of
        them are equal is found out as well. The result is a copy that owns its rows, for these critics and scales.

        With `path` the parts are written into a folder as they are made, so that a bank larger than memory can be
        prepared; `Bank.load` opens it memory-mapped. The folder is built beside `path` and takes its place at the end:
        a process that is killed leaves what was there.
        """
        check_critic(ab, "ab")
        check_critic(bc, "bc")
        if self.learned:
            raise InputError("a prepared bank is fixed: got a tensor that requires gradients; .detach() it")
        sizes, orders, hashes = [], [], []
        kept: list[dict[str, Tensor]] = []
        writer = None if path is None else FolderWriter(Path(path))
        with writer or nullcontext():
            for tensors, own, found in self._parts(ab, bc, progress):
                sizes += own
                orders.append(tensors["order"].cpu())
                hashes.append(found)
                (kept.append if writer is None else writer.add)(tensors)
            order = torch.cat(orders)
            pooled = self.pooled(Seal()) if self.shard_of else pool(np.concatenate(hashes), self.weights)
            known = {"pooled": pooled, "weights": self.weights}
            weights = {name: values[order] for name, values in known.items() if values is not None}
            ids = None if self.ids is None else self.ids.take(pa.array(order.numpy()))
            about = {
                "samples": len(self),
                "unit": [isinstance(critic, Cosine) for critic in (ab, bc)],
                "shared": self.shared and type(ab) is type(bc),
                "critics": [[critic.name, critic.number] for critic in (ab, bc)],
                "sizes": sizes,
                "metadata": [dict(rows.metadata) for rows in (self.for_a, self.for_c)],
            }
            if self.shard_of is not None:
                about |= {"shard": list(self.shard_of), "piece": asdict(self.piece(""))}
            if writer is not None:
                writer.finish(about, weights, ids)
                return Bank.load(writer.path, verify=False)
        sides = {name: torch.cat([part[name] for part in kept]) for name in kept[0] if name != "order"}
        return _assemble(about, {name: as_rows(side, f"bank.{name}") for name, side in sides.items()}, weights, ids)

    @staticmethod
    def load(path: str | Path, *, verify: bool = True, shard: tuple[int, int] | None = None) -> "Bank":
        """Open a bank that `prepare` wrote; with `shard` (i, n) the i-th of n shards of it, and check only that.

        Every part is checked against the description: its digest, its shape, finite numbers, rows of norm one. That
        reads the whole bank once; `verify` False leaves it out for one that is too large for that, and checks shapes
        alone. The files must not be written to while the bank is open: nothing is looked at again.
        """
        about, sources, weights, ids = read_folder(Path(path), verify, shard)
        sides = {n: concatenate([as_rows(file, f"bank.{n}") for file in files]) for n, files in sources.items()}
        bank = _assemble(about, sides, weights, ids)
        return bank if shard is None else bank.shard(*shard)

    def _parts(
        self, ab: Critic, bc: Critic, progress: bool
    ) -> Iterator[tuple[dict[str, Tensor], list[int], np.ndarray]]:
        """Rows by side, sizes of tight blocks, and hashes of rows (none for a shard)."""
        start, hashes = 0, np.array([], dtype=np.uint64)
        for for_a, for_c in self.blocks(self.cuts_for(PART), progress):
            sides = [represent(ab, for_a, "bank.for_a", self.unit[0], start)]
            if not self.shared or type(ab) is not type(bc):
                sides.append(represent(bc, for_c, "bank.for_c", self.unit[1], start))
            groups = tight_groups(sides, [ab.number, bc.number])
            order = torch.cat(groups)
            tensors = {"order": order + start}
            tensors |= {name: side[order] for name, side in zip(("for_a", "for_c"), sides, strict=False)}
            if self.shard_of is None:  # a shard's repeats are told by the whole bank
                hashes = row_hashes([for_a] if self.shared else [for_a, for_c])
            yield tensors, [len(group) for group in groups], hashes
            start += len(for_a)

    def _read(self, rows: Rows, start: int, stop: int) -> Tensor:
        block = rows.read(start, stop)
        if not rows.in_memory and self.digest is None:  # a prepared bank was checked when it was made
            check_finite(block, rows.name, start)
        return block


def _assemble(about: dict[str, Any], rows: dict[str, Rows], weights: dict[str, Tensor], ids: pa.Array | None) -> Bank:
    bank = Bank(rows["for_a"], rows.get("for_c"), weights=weights.get("weights"), ids=ids)
    for side, metadata in zip((bank.for_a, bank.for_c), about.get("metadata", ()), strict=False):
        side.metadata = metadata
    bank.unit = (bool(about["unit"][0]), bool(about["unit"][1]))
    bank.cuts = np.cumsum(about["sizes"]).tolist()
    bank.critics = tuple((str(kind), float(scale)) for kind, scale in about["critics"])
    bank.digest = about.get("digest") or bank.fingerprint()
    bank._pooled = (bank.digest, weights.get("pooled"))
    if "shard" in about:
        bank.sharded, bank.shard_of, bank._piece = True, tuple(about["shard"]), Piece(**about["piece"])
    return bank
