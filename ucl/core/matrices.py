"""Matrices that are read a block of rows at a time: what they promise, their parts, and two of them joined by id."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ucl.core.fingerprint import ChangedError
from ucl.errors import InputError

__all__ = [
    "COLUMNS",
    "ID",
    "Rows",
    "check_columns",
    "check_finite",
    "check_matrix",
    "check_order",
    "check_width",
    "columns_of",
    "concatenate",
    "given_ids",
    "in_order_of",
    "in_type_of",
    "plain_ids",
    "rows_between",
    "single",
]

ID = "id"  # the column, array or tensor of a file that names its rows
COLUMNS = "ucl.columns"  # in the metadata of a table of floats: what its columns are called, in their order


class Rows(ABC):
    """A matrix of floating-point numbers that is read a block of rows at a time, by several threads if need be.

    `in_memory` says that reading costs nothing; `dtype` is float64 where the numbers are, else float32; `path` is the
    file they come from, if any, `key` which of its arrays or columns, and `metadata` what it says of itself under keys
    that begin with `ucl.`. Rows from a file are checked the first time they are read: NaN and infinity are an
    `InputError` with file and row.
    """

    name: str
    shape: tuple[int, int]
    dtype: torch.dtype
    path: str = ""
    key: str = ""
    metadata: Mapping[str, str] = MappingProxyType({})
    in_memory = False
    opened: os.stat_result | None = None  # the file when it was opened, where it stays open
    decoded = False  # whether rows are kept that no longer look at the file
    _sound = 0  # leading rows that are known to be finite

    @abstractmethod
    def _read(self, start: int, stop: int) -> Float[Tensor, "m d"]:
        """Rows `start` to `stop`, in `dtype`."""

    def _take(self, index: Int64[np.ndarray, " m"]) -> Float[Tensor, "m d"]:
        """The rows of these numbers, in `dtype`."""
        return torch.cat([self._read(int(i), int(i) + 1) for i in index])

    def ids(self) -> pa.Array | None:
        """What the file calls each row; None where it has no ids."""
        return None

    def ids_between(self, start: int, stop: int) -> pa.Array | None:
        """What the file calls the rows `start` to `stop`; None where it has no ids."""
        ids = self.ids()
        return None if ids is None else ids.slice(start, stop - start)

    def read(self, start: int, stop: int) -> Float[Tensor, "m d"]:
        """Rows `start` to `stop`, in `dtype`."""
        self._check_file()
        block = self._read(start, stop)
        if not self.in_memory and stop > self._sound:
            check_finite(block, self.name, start, self.path)
            if start <= self._sound:
                self._sound = stop
        return block

    def take(self, index: Int64[np.ndarray, " m"]) -> Float[Tensor, "m d"]:
        """The rows of these numbers, in `dtype`."""
        self._check_file()
        block = self._take(index)
        if not self.in_memory and self._sound < len(self):
            check_finite(block, self.name, index, self.path)
        return block

    def _check_file(self) -> None:
        """Raise where the open file was cut short, beyond whose end mapped memory ends the process, or, where rows are
        kept, written to. A file that was replaced by another is still there for whoever opened it."""
        if self.opened is None:
            return
        try:
            now = Path(self.path).stat()
        except OSError:
            return
        was, same = self.opened, os.path.samestat(now, self.opened)
        written = now.st_size < was.st_size or (self.decoded and now.st_mtime_ns != was.st_mtime_ns)
        if same and written:
            raise ChangedError(f"{self.name}: {self.path} was written to while it was open: open it again")

    def __len__(self) -> int:
        return self.shape[0]


def check_finite(
    block: Float[Tensor, "m d"], name: str, first: int | Int64[np.ndarray, " m"] = 0, path: str = ""
) -> None:
    """Raise an error that names the first row that holds NaN or infinity.

    `first` is the number of the block's first row, or the numbers of all of them.
    """
    if bool(torch.isfinite(torch.linalg.vector_norm(block))) or bool(torch.isfinite(block).all()):
        return  # the norm is many times faster, and infinite for very large numbers too
    row = int((~torch.isfinite(block)).any(1).nonzero()[0, 0])
    what = "NaN" if bool(torch.isnan(block[row]).any()) else "infinity"
    number = first + row if isinstance(first, int) else int(first[row])
    where = f" from {path}" if path else ""
    raise InputError(f"{name} must be finite: row {number} holds {what}; remove the row{where} or embed it again")


def single(x: Tensor, name: str) -> Tensor:
    """The same rows in float32, for what is computed in it; InputError where they leave its range."""
    rows = x.float()
    if x.dtype == torch.float64 and not bool(torch.isfinite(rows).all()):
        raise InputError(
            f"{name} must be within the range of float32 here: got numbers up to {float(x.abs().max()):.1e}; rescale it"
        )
    return rows


def in_type_of(like: Tensor, x: Tensor, name: str) -> Tensor:
    """Rows in the type and on the device of others; InputError where they leave its range."""
    return (single(x, name) if like.dtype == torch.float32 else x).to(like)


def check_matrix(shape: tuple[int, ...], kind: str, floating: bool, name: str) -> None:
    """Raise an error unless this is a matrix of floating-point numbers with at least one row and one column."""
    if len(shape) != 2:
        raise InputError(f"{name} must be a matrix, one row per sample: got shape {list(shape)}; reshape it to [n, d]")
    if not floating:
        raise InputError(f"{name} must hold floating-point numbers: got {kind}; convert it with .astype('float32')")
    if shape[0] == 0 or shape[1] == 0:
        raise InputError(f"{name} must not be empty: got shape {list(shape)}; give at least one row and one column")


def check_width(width: int, name: str, sides: tuple[Rows, Rows], side: str | None = None) -> None:
    """Raise unless what is called `name` is as wide as the bank's `side` (a or c, by default the name itself)."""
    mine, other = sides if (side or name) == "a" else sides[::-1]
    if width == mine.shape[1]:
        return
    remedy = "embed both with the same model"
    if mine is other:
        remedy += "; a bank that two models embedded needs for_c as well (--bank-for-c)"
    elif width == other.shape[1]:
        remedy = f"that is the width of {other.name}: swap a and c, or the bank's sides with their critics and scales"
    raise InputError(f"{name} and {mine.name} must have the same width: got {width} and {mine.shape[1]}; {remedy}")


def columns_of(rows: Rows) -> list[str]:
    """What the columns of a table of floats are called, in their order; empty for all else."""
    return list(json.loads(rows.metadata.get(COLUMNS, "[]")))


def check_columns(one: Rows, other: Rows) -> None:
    """Raise where two tables of floats have the same columns in another order: what is compared would not be alike."""
    check_order(columns_of(one), columns_of(other), one.path or one.name, other.path or other.name)


def check_order(first: list[str], second: list[str], one: str, other: str) -> None:
    """The same of the columns of what is called `one` and `other`, where some are called alike."""
    places = {name: place for place, name in enumerate(second)}
    turned = [place for place, name in enumerate(first) if places.get(name, place) != place]
    if turned and len(first) == len(second):
        place = turned[0]
        raise InputError(
            f"{one} and {other} must have their columns in one order: column {place} is {first[place]} in one, "
            f"{second[place]} in the other; write them alike"
        )


def in_order_of(first: Rows, second: Rows) -> Rows:
    """`second` in the order of `first`, row by row of one id, where both have ids; else as it is.

    Only ids are held in memory; a Parquet file in another order is decoded into a temporary file once. Raises
    InputError where an id is missing on one side or, in another order, not unique.
    """
    if first is second or (ours := first.ids()) is None or (theirs := second.ids()) is None:
        return second
    if ours.type != theirs.type:
        raise InputError(
            f"{first.name} and {second.name} must have ids of one kind to be joined: got {ours.type} and "
            f"{theirs.type}; write both as strings"
        )
    if ours.equals(theirs):
        return second
    for rows, ids in ((first, ours), (second, theirs)):
        _check_unique(rows, ids)
    _check_known(first, ours, second, theirs)
    _check_known(second, theirs, first, ours)
    return _Reordered(second, pc.index_in(ours, theirs).to_numpy().astype(np.int64))


def plain_ids(column: pa.Array | pa.ChunkedArray, rows: Rows, count: int) -> pa.Array:
    """Ids of `count` rows in one of few kinds, so that two ways to write them compare: strings, int64, or as it is."""
    ids = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(ids.type):
        ids = ids.dictionary_decode()
    if pa.types.is_nested(ids.type) or len(ids) != count:
        raise InputError(f"{rows.name}: `id` of {rows.path} must be one id a row: got {len(ids)} of {ids.type}")
    return _one_kind(ids)


def given_ids(ids: Any, samples: int) -> pa.Array:
    """Ids that a caller gives, one per sample, as `plain_ids` has them."""
    try:
        found = ids if isinstance(ids, pa.Array) else pa.array(ids.tolist() if hasattr(ids, "tolist") else list(ids))
    except (TypeError, ValueError, pa.ArrowException):
        raise InputError(
            f"ids must be one string or whole number a sample: got {type(ids).__name__}; give a list of strings"
        ) from None
    if pa.types.is_nested(found.type) or len(found) != samples or found.null_count:
        raise InputError(
            f"ids must be one id a sample, {samples} in all: got {len(found)} of {found.type}; name every sample"
        )
    return _one_kind(found)


def _one_kind(ids: pa.Array) -> pa.Array:
    if pa.types.is_string(ids.type) or pa.types.is_string_view(ids.type):
        return ids.cast(pa.large_string())
    if pa.types.is_integer(ids.type) and not pa.types.is_uint64(ids.type):
        return ids.cast(pa.int64())
    return ids


def _check_unique(rows: Rows, ids: pa.Array) -> None:
    if ids.null_count:
        row = pc.index(pc.is_null(ids), True).as_py()
        raise InputError(f"{rows.name} cannot be joined by id: row {row} of {rows.path} has none; give every row one")
    counts = pc.value_counts(ids)
    if len(counts) < len(ids):
        twice = counts.field("values")[pc.index(pc.greater(counts.field("counts"), 1), True).as_py()]
        raise InputError(
            f"{rows.name} cannot be joined by id: {twice.as_py()!r} stands twice in {rows.path}, and the other side "
            "has another order; make ids unique"
        )


def _check_known(rows: Rows, ids: pa.Array, other: Rows, known: pa.Array) -> None:
    missing = pc.filter(ids, pc.invert(pc.is_in(ids, known)))
    if len(missing):
        raise InputError(
            f"{rows.name} and {other.name} must describe the same samples: id {missing[0].as_py()!r} of {rows.path} "
            f"is not in {other.path} ({len(missing)} missing); embed the same samples with both models"
        )


def rows_between(rows: Rows, start: int, stop: int) -> Rows:
    """A range of rows, read through the original."""
    return _SomeRows([rows], [start], [stop])


def concatenate(parts: list[Rows]) -> Rows:
    """Several matrices, one below the other."""
    return parts[0] if len(parts) == 1 else _SomeRows(parts, [0] * len(parts), [len(part) for part in parts])


class _Through(Rows):
    """Rows of other matrices, which check what they read."""

    def read(self, start: int, stop: int) -> Float[Tensor, "m d"]:
        return self._read(start, stop)

    def take(self, index: Int64[np.ndarray, " m"]) -> Float[Tensor, "m d"]:
        return self._take(index)


class _Reordered(_Through):
    """Row i is row `order[i]` of another matrix."""

    def __init__(self, rows: Rows, order: Int64[np.ndarray, " n"]) -> None:
        self.rows, self.order = rows, order
        self.name, self.dtype, self.path, self.in_memory = rows.name, rows.dtype, rows.path, rows.in_memory
        self.shape, self.metadata = rows.shape, rows.metadata

    def _read(self, start: int, stop: int) -> Float[Tensor, "m d"]:
        return self.rows.take(self.order[start:stop])

    def _take(self, index: Int64[np.ndarray, " m"]) -> Float[Tensor, "m d"]:
        return self.rows.take(self.order[index])

    def ids(self) -> pa.Array | None:
        ids = self.rows.ids()
        return None if ids is None else ids.take(pa.array(self.order))


class _SomeRows(_Through):
    """Ranges of rows of other matrices, one below the other."""

    def __init__(self, parts: list[Rows], starts: list[int], stops: list[int]) -> None:
        self.parts, self.first = parts, starts
        self.offsets = np.cumsum([0, *(stop - start for start, stop in zip(starts, stops, strict=True))]).tolist()
        self.name, self.dtype, self.metadata = parts[0].name, parts[0].dtype, parts[0].metadata
        self.in_memory = all(part.in_memory for part in parts)
        self.shape = (self.offsets[-1], parts[0].shape[1])

    def _read(self, start: int, stop: int) -> Float[Tensor, "m d"]:
        pieces = []
        for part, first, low, high in zip(self.parts, self.first, self.offsets, self.offsets[1:], strict=False):
            if max(start, low) < min(stop, high):
                pieces.append(part.read(first + max(start, low) - low, first + min(stop, high) - low))
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)

    def _take(self, index: Int64[np.ndarray, " m"]) -> Float[Tensor, "m d"]:
        order = np.argsort(index, kind="stable")
        ordered = index[order]
        cuts = np.searchsorted(ordered, self.offsets)
        pieces = []
        for part, first, offset, low, high in zip(self.parts, self.first, self.offsets, cuts, cuts[1:], strict=False):
            if low < high:
                pieces.append(part.take(ordered[low:high] - offset + first))
        return torch.cat(pieces)[torch.from_numpy(np.argsort(order))]
