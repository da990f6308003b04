"""Rows of numbers from anywhere: arrays in memory, memory-mapped files, Parquet and safetensors, a block at a time."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor

from ucl.errors import InputError

__all__ = ["Rows", "as_rows", "check_finite"]

FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}


class Rows(ABC):
    """A matrix of floating-point numbers that is read a block of rows at a time.

    `in_memory` says that reading costs nothing; `dtype` is float64 where the numbers are, else float32.
    """

    name: str
    shape: tuple[int, int]
    dtype: torch.dtype
    in_memory = False

    @abstractmethod
    def read(self, start: int, stop: int) -> Float[Tensor, "m d"]:
        """Rows `start` to `stop`, in `dtype`."""

    def __len__(self) -> int:
        return self.shape[0]


def as_rows(source: Any, name: str) -> Rows:
    """Rows of a tensor, an array, a memory map, or a file (.npy, .npz, .safetensors, .parquet).

    A file may name one of several arrays after a colon: `bank.npz:text`. `name` is used in errors.
    """
    if isinstance(source, Rows):
        return source
    if isinstance(source, str | Path):
        return _open(str(source), name)
    if isinstance(source, Tensor):
        return _TensorRows(source, name)
    if isinstance(source, np.ma.MaskedArray):
        raise InputError(f"{name} must be a plain array: got a masked one; leave out the masked rows and use .data")
    if isinstance(source, np.ndarray):
        return _ArrayRows(source, name)
    raise InputError(
        f"{name} must be a NumPy array, a torch tensor or a file name: got {type(source).__name__}; use numpy.asarray"
    )


def check_finite(block: Float[Tensor, "m d"], name: str, first: int = 0) -> None:
    """Raise an error that names the first row that holds NaN or infinity."""
    if bool(torch.isfinite(torch.linalg.vector_norm(block))) or bool(torch.isfinite(block).all()):
        return  # the norm is many times faster, and infinite for very large numbers too
    row = int((~torch.isfinite(block)).any(1).nonzero()[0, 0])
    what = "NaN" if bool(torch.isnan(block[row]).any()) else "infinity"
    raise InputError(f"{name} must be finite: row {first + row} holds {what}; remove the row or embed it again")


class _TensorRows(Rows):
    in_memory = True

    def __init__(self, tensor: Tensor, name: str) -> None:
        self.name = name
        _check(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), tensor.dtype in FLOATS, name)
        self.shape = (tensor.shape[0], tensor.shape[1])
        self.dtype = torch.float64 if tensor.dtype == torch.float64 else torch.float32
        self.tensor = tensor  # the caller's own: converted when read, so that what is read is what it holds
        check_finite(tensor, name)

    def read(self, start: int, stop: int) -> Float[Tensor, "m d"]:
        return self.tensor[start:stop].to(self.dtype)


class _ArrayRows(Rows):
    def __init__(self, array: np.ndarray, name: str) -> None:
        self.name, self.array = name, array
        _check(array.shape, str(array.dtype), np.issubdtype(array.dtype, np.floating), name)
        self.shape = (array.shape[0], array.shape[1])
        self.dtype = torch.float64 if array.dtype.itemsize > 4 else torch.float32
        self.in_memory = not isinstance(array, np.memmap)
        if self.in_memory:
            check_finite(self.read(0, len(self)), name)

    def read(self, start: int, stop: int) -> Float[Tensor, "m d"]:
        block, dtype = self.array[start:stop], np.float64 if self.dtype == torch.float64 else np.float32
        if self.in_memory:  # a copy where torch cannot hold it: read-only or foreign-endian memory, another type
            return torch.from_numpy(np.require(block, dtype, ["C", "W"]))
        return torch.from_numpy(np.array(block, dtype=dtype))


class _SafetensorsRows(Rows):
    def __init__(self, path: str, key: str, name: str) -> None:
        self.name = name
        with safe_open(path, framework="pt") as file:
            self.tensor: Tensor = file.get_tensor(key)  # memory-mapped: nothing is read yet
        _check(tuple(self.tensor.shape), str(self.tensor.dtype)[6:], self.tensor.dtype in FLOATS, name)
        self.shape = (self.tensor.shape[0], self.tensor.shape[1])
        self.dtype = torch.float64 if self.tensor.dtype == torch.float64 else torch.float32

    def read(self, start: int, stop: int) -> Float[Tensor, "m d"]:
        return self.tensor[start:stop].to(self.dtype)


class _ParquetRows(Rows):
    """A column of lists, or every floating-point column of a table; row groups are read once each, in order."""

    def __init__(self, path: str, key: str | None, name: str) -> None:
        self.name, self.path = name, path
        self.file = pq.ParquetFile(path, memory_map=True)
        schema = self.file.schema_arrow
        lists = [f.name for f in schema if pa.types.is_list(f.type) or pa.types.is_fixed_size_list(f.type)]
        if key is None and len(lists) > 1:
            raise InputError(
                f"{name}: {path} holds several embeddings ({', '.join(lists)}); name one: {path}:{lists[0]}"
            )
        if key is not None and key not in schema.names:
            raise InputError(f"{name}: {path} has no column {key}; it holds {', '.join(schema.names)}")
        self.list_column = key or (lists[0] if lists else None)
        self.columns = [self.list_column] if self.list_column else [f.name for f in schema if _is_float(f.type)]
        self.kind = schema.field(self.list_column).type.value_type if self.list_column else None
        kinds = [self.kind] if self.kind is not None else [schema.field(c).type for c in self.columns]
        self.dtype = torch.float64 if any(kind == pa.float64() for kind in kinds) else torch.float32
        metadata = self.file.metadata
        sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        self.starts = np.cumsum([0, *sizes])
        self.group: tuple[int, np.ndarray] | None = None
        width = self._load(0).shape[1] if metadata.num_rows else 1
        _check((metadata.num_rows, width), str(kinds[0]) if kinds else "no", all(map(_is_float, kinds)), name)
        self.shape = (metadata.num_rows, width)

    def _load(self, index: int) -> np.ndarray:
        if self.group is None or self.group[0] != index:
            table = self.file.read_row_group(index, columns=self.columns)
            if self.list_column:
                array = _flat(table.column(0).combine_chunks(), self.name, int(self.starts[index]))
            else:
                array = np.stack([c.to_numpy() for c in table.columns], 1) if self.columns else np.empty((0, 0))
            self.group = (index, array)
        return self.group[1]

    def read(self, start: int, stop: int) -> Float[Tensor, "m d"]:
        parts = []
        for index in range(len(self.starts) - 1):
            low, high = max(start, self.starts[index]), min(stop, self.starts[index + 1])
            if low < high:
                parts.append(self._load(index)[low - self.starts[index] : high - self.starts[index]])
        return torch.from_numpy(np.concatenate(parts).astype(np.float64 if self.dtype == torch.float64 else np.float32))


def _flat(column: Any, name: str, first: int) -> np.ndarray:
    """A list column as a matrix; every list must have the same length."""
    lengths = np.asarray(column.value_lengths())
    if column.null_count or len(np.unique(lengths)) > 1:
        row = int(np.argmax(lengths != lengths[0])) if not column.null_count else int(np.argmax(column.is_null()))
        raise InputError(f"{name} must hold lists of one length: row {first + row} differs; embed it again")
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)


def _is_float(kind: Any) -> bool:
    return bool(pa.types.is_floating(kind))


def _check(shape: tuple[int, ...], kind: str, floating: bool, name: str) -> None:
    if len(shape) != 2:
        raise InputError(f"{name} must be a matrix, one row per sample: got shape {list(shape)}; reshape it to [n, d]")
    if not floating:
        raise InputError(f"{name} must hold floating-point numbers: got {kind}; convert it with .astype('float32')")
    if shape[0] == 0 or shape[1] == 0:
        raise InputError(f"{name} must not be empty: got shape {list(shape)}; give at least one row and one column")


def _open(source: str, name: str) -> Rows:
    path, _, key = (source, "", "") if Path(source).is_file() else source.rpartition(":")
    path = path or key
    if not Path(path).is_file():
        raise InputError(f"{name}: no such file: {path}; give a .npy, .npz, .safetensors or .parquet file")
    suffix = Path(path).suffix
    try:
        if suffix == ".npy":
            return _ArrayRows(np.load(path, mmap_mode="r", allow_pickle=False), name)
        if suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return _ArrayRows(archive[_key(list(archive.keys()), key, path, name)], name)
        if suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                keys = list(file.keys())
            return _SafetensorsRows(path, _key(keys, key, path, name), name)
        if suffix == ".parquet":
            return _ParquetRows(path, key or None, name)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{name}: cannot read {path}: {str(error).splitlines()[0]}; is it a {suffix} file?") from None
    raise InputError(f"{name}: unknown kind of file: {path}; give a .npy, .npz, .safetensors or .parquet file")


def _key(keys: list[str], key: str, path: str, name: str) -> str:
    if not key and len(keys) == 1:
        return keys[0]
    if key in keys:
        return key
    asked = f"has no array {key}" if key else "holds several arrays"
    raise InputError(f"{name}: {path} {asked}; name one of {', '.join(keys)}, as in {path}:{keys[0]}")


def rows_between(rows: Rows, start: int, stop: int) -> Rows:
    """A range of rows, read through the original."""
    return _SomeRows([rows], [start], [stop])


def concatenate(parts: list[Rows]) -> Rows:
    """Several matrices, one below the other."""
    return parts[0] if len(parts) == 1 else _SomeRows(parts, [0] * len(parts), [len(part) for part in parts])


class _SomeRows(Rows):
    """Ranges of rows of other matrices, one below the other."""

    def __init__(self, parts: list[Rows], starts: list[int], stops: list[int]) -> None:
        self.parts, self.first = parts, starts
        self.offsets = np.cumsum([0, *(stop - start for start, stop in zip(starts, stops, strict=True))]).tolist()
        self.name, self.dtype = parts[0].name, parts[0].dtype
        self.in_memory = all(part.in_memory for part in parts)
        self.shape = (self.offsets[-1], parts[0].shape[1])

    def read(self, start: int, stop: int) -> Float[Tensor, "m d"]:
        pieces = []
        for part, first, low, high in zip(self.parts, self.first, self.offsets, self.offsets[1:], strict=False):
            if max(start, low) < min(stop, high):
                pieces.append(part.read(first + max(start, low) - low, first + min(stop, high) - low))
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)
