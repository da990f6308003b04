"""A bank: samples of the shared modality as the two models embed them, in blocks that fit in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ucl.core.critics import Cosine, Critic
from ucl.core.readers import Rows, as_rows, check_finite, concatenate, in_order_of, rows_between
from ucl.core.tight_blocks import group_rows
from ucl.errors import InputError
from ucl.files import read_json, write_json
from ucl.tensors import write_tensors

__all__ = ["Bank", "represent"]

PART = 2**17  # rows that are clustered together, and one file of a saved bank
GROUP = 2048  # rows in a block on average, where the bank has no clusters to speak of
FINE = 64  # rows in a tight block on average, at least
NATS = 15.0  # radius of a tight block's scores: products are at least exp(-60), far above what float32 loses
KEPT = 2**27  # numbers a side may have for its rows of norm one to be kept beside it
FEATURES = 64  # dimensions in which rows are clustered


class Bank:
    """M samples of B, embedded by the A-B model (`for_a`, [M, d1]) and by the B-C model (`for_c`, [M, d2]).

    Row i of both is the same sample. Without `for_c`, both models share one embedding of B. Arrays, tensors, memory
    maps and files (.npy, .npz, .safetensors, .parquet) are taken; files are read a block at a time, never whole.

    Raises InputError where a matrix is empty, not two-dimensional, not floating-point, not finite (which row), or where
    the two do not describe the same number of samples.
    """

    def __init__(self, for_a: Any, for_c: Any = None) -> None:
        self.for_a: Rows = as_rows(for_a, "bank.for_a")
        self.for_c: Rows = self.for_a if for_c is None or for_c is for_a else as_rows(for_c, "bank.for_c")
        self.for_c = in_order_of(self.for_a, self.for_c)
        self.unit = (False, False)  # whether the rows of for_a and of for_c are known to have norm one
        self.cuts: list[int] | None = None  # where tight blocks end
        self._kept: tuple[tuple[Any, ...], Bank] | None = None
        if len(self.for_a) != len(self.for_c):
            raise InputError(
                "bank.for_a and bank.for_c must describe the same samples: "
                f"got {len(self.for_a)} and {len(self.for_c)} rows; embed the same samples with both models"
            )

    def __len__(self) -> int:
        return len(self.for_a)

    @property
    def shared(self) -> bool:
        """Whether both models use one embedding of B."""
        return self.for_a is self.for_c

    def cuts_for(self, size: int) -> list[int]:
        """Where blocks of at most `size` samples end; they never reach over the end of a tight block."""
        cuts, start = [], 0
        for end in self.cuts or [len(self)]:
            cuts += [*range(start + size, end, size), end]
            start = end
        return cuts

    def blocks(self, cuts: list[int], progress: bool = True) -> Iterator[tuple[Tensor, Tensor]]:
        """Matching blocks of `for_a` and `for_c`, checked; a progress bar appears after a few seconds."""
        starts = zip([0, *cuts], cuts, strict=False)
        for start, stop in tqdm(
            starts, total=len(cuts), desc="bank", unit="block", disable=not progress, delay=3, leave=False
        ):
            a = self._read(self.for_a, start, stop)
            yield a, a if self.shared else self._read(self.for_c, start, stop)

    def shard(self, index: int, count: int) -> "Bank":
        """The `index`-th of `count` parts of the bank; `merge` puts the results of all parts together."""
        if not 0 <= index < count <= len(self):
            raise InputError(
                f"shard must be one of 0 to count - 1, with count at most {len(self)}: got {index} of {count}"
            )
        return self.between(index * len(self) // count, (index + 1) * len(self) // count)

    def between(self, start: int, stop: int) -> "Bank":
        """The samples `start` to `stop` as a bank."""
        if not 0 <= start < stop <= len(self):
            raise InputError(f"a part of a bank of {len(self)} must be within it: got {start} to {stop}")
        for_a = rows_between(self.for_a, start, stop)
        part = Bank(for_a, for_a if self.shared else rows_between(self.for_c, start, stop))
        part.unit = self.unit
        if self.cuts is not None:
            inner = [cut for cut in self.cuts if start < cut < stop]
            part.cuts = [cut - start for cut in (*inner, stop)]
        return part

    def represented(self, ab: Critic, bc: Critic) -> "Bank":
        """The same bank with rows of norm one for cosine critics, kept for the next time; streamed or large: as it is.

        A tensor that was changed in place since (a bank that is being learned) is represented again.
        """
        kinds = tuple(isinstance(critic, Cosine) and not unit for critic, unit in zip((ab, bc), self.unit, strict=True))
        tensors = [getattr(rows, "tensor", None) for rows in (self.for_a, self.for_c)]
        large = max(rows.shape[0] * rows.shape[1] for rows in (self.for_a, self.for_c)) > KEPT
        if large or not any(kinds) or not all(rows.in_memory for rows in (self.for_a, self.for_c)):
            return self
        key = (*kinds, *(None if tensor is None else tensor._version for tensor in tensors))
        if self._kept is None or self._kept[0] != key:
            self._kept = (key, self._represent(ab, bc))
        return self._kept[1]

    def _represent(self, ab: Critic, bc: Critic) -> "Bank":
        sides = []
        for critic, rows, unit in ((ab, self.for_a, self.unit[0]), (bc, self.for_c, self.unit[1])):
            sides.append(represent(critic, rows.read(0, len(rows)).detach(), rows.name, unit))
            if self.shared and type(ab) is type(bc):
                break
        bank = Bank(*sides)
        bank.cuts = self.cuts
        bank.unit = (self.unit[0] or isinstance(ab, Cosine), self.unit[1] or isinstance(bc, Cosine))
        return bank

    def prepare(self, ab: Critic, bc: Critic, path: str | Path | None = None, *, progress: bool = True) -> "Bank":
        """The same bank with the work done that belongs to it alone: rows of norm one (cosine), in tight blocks.

        Rows are clustered, within parts of 131,072, by what both critics see of them, and sorted by cluster. With
        `path` the parts are written there as they are made (safetensors, and a `bank.json` that says what they are), so
        that a bank larger than memory can be prepared; `Bank.load` opens them memory-mapped.
        """
        parts, folder, shared = [], None if path is None else Path(path), self.shared and type(ab) is type(bc)
        for index, part in enumerate(self._parts(ab, bc, progress)):
            if folder is not None:
                write_tensors(part.tensors, folder / f"part-{index:05d}.safetensors")
                part = _Part({}, part.sizes)
            parts.append(part)
        sizes = [size for part in parts for size in part.sizes]
        unit = [isinstance(critic, Cosine) for critic in (ab, bc)]
        about = {"format": "ucl-bank-1", "samples": len(self), "unit": unit, "shared": shared, "sizes": sizes}
        if folder is not None:
            write_json(
                {**about, "parts": [f"part-{i:05d}.safetensors" for i in range(len(parts))]}, folder / "bank.json"
            )
            return Bank.load(folder)
        names = list(parts[0].tensors)
        return _assemble(about, {n: as_rows(torch.cat([p.tensors[n] for p in parts]), f"bank.{n}") for n in names[1:]})

    @staticmethod
    def load(path: str | Path) -> "Bank":
        """Open a bank that `prepare` wrote."""
        folder = Path(path)
        if not (folder / "bank.json").is_file():
            raise InputError(f"no prepared bank in {folder}: bank.json is missing; make it with `ucl bank build`")
        about = read_json(folder / "bank.json")
        if about.get("format") != "ucl-bank-1":
            raise InputError(
                f"{folder / 'bank.json'}: expected format ucl-bank-1, got {about.get('format')}; build it again"
            )
        names = ["for_a"] if about["shared"] else ["for_a", "for_c"]
        files = {name: [f"{folder / part}:{name}" for part in about["parts"]] for name in names}
        return _assemble(about, {n: concatenate([as_rows(f, f"bank.{n}") for f in files[n]]) for n in names})

    def _parts(self, ab: Critic, bc: Critic, progress: bool) -> Iterator["_Part"]:
        start = 0
        for for_a, for_c in self.blocks(self.cuts_for(PART), progress):
            sides = [represent(ab, for_a, "bank.for_a", self.unit[0], start)]
            if not self.shared or type(ab) is not type(bc):
                sides.append(represent(bc, for_c, "bank.for_c", self.unit[1], start))
            features = _features(sides, [float(ab.scale), float(bc.scale)])
            groups = _tight_groups(features)
            order = torch.cat(groups)
            tensors = {"order": order + start}
            tensors |= {name: side[order] for name, side in zip(("for_a", "for_c"), sides, strict=False)}
            yield _Part(tensors, [len(group) for group in groups])
            start += len(for_a)

    def _read(self, rows: Rows, start: int, stop: int) -> Tensor:
        block = rows.read(start, stop)
        if not rows.in_memory and self.cuts is None:  # a prepared bank was checked when it was made
            check_finite(block, rows.name, start)
        return block


@dataclass(frozen=True)
class _Part:
    tensors: dict[str, Tensor]
    sizes: list[int]


def _assemble(about: dict[str, Any], rows: dict[str, Rows]) -> Bank:
    bank = Bank(rows["for_a"], rows.get("for_c"))
    bank.unit = (bool(about["unit"][0]), bool(about["unit"][1]))
    bank.cuts = np.cumsum(about["sizes"]).tolist()
    return bank


def _tight_groups(features: Tensor) -> list[Tensor]:
    """Rows by cluster: as few clusters as make every block tight, or large ones where that takes too many."""
    fine = group_rows(features, min(512, max(1, len(features) // FINE)), within=NATS)
    return fine if len(fine) > 1 else group_rows(features, max(1, len(features) // GROUP), rounds=3)


def _features(sides: list[Tensor], scales: list[float]) -> Tensor:
    """What both critics see of each row, in few dimensions (a random projection keeps distances)."""
    generator = torch.Generator().manual_seed(0)
    features = []
    for side, scale in zip(sides, scales, strict=False):
        width = side.shape[1]
        if width > FEATURES:
            plane = torch.randn(width, FEATURES, generator=generator, dtype=side.dtype).to(side.device)
            side = side @ (plane / FEATURES**0.5)
        features.append(side * scale)
    return torch.cat([feature.double() for feature in features], 1)


def represent(critic: Critic, x: Tensor, name: str, unit: bool = False, first: int = 0) -> Tensor:
    """`critic.represent`, unless the rows already have norm one; a zero vector under the cosine critic is an error."""
    if not isinstance(critic, Cosine):
        if unit:
            raise InputError(
                f"{name} was prepared for the cosine critic: got the {critic.name} critic; prepare it again"
            )
        return x
    if unit:
        return x
    if not bool((torch.linalg.vector_norm(x, dim=1) > 0).all()) and bool((zero := ~x.any(1)).any()):
        row = first + int(zero.nonzero()[0, 0])
        raise InputError(f"{name} must hold no zero vector under the cosine critic: row {row} is zero; remove it")
    return critic.represent(x)
