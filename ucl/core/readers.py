"""Rows of numbers from anywhere: arrays in memory, memory-mapped files, Parquet and safetensors, a block at a time."""

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Int64
from safetensors import safe_open
from torch import Tensor

from ucl.core.matrices import (
    ID,
    Rows,
    check_columns,
    check_finite,
    check_matrix,
    check_order,
    check_width,
    columns_of,
    concatenate,
    in_order_of,
    plain_ids,
    rows_between,
    single,
)
from ucl.core.parquet import ParquetRows
from ucl.errors import InputError, one_line
from ucl.files import why_not_a_file

__all__ = [
    "Rows",
    "as_rows",
    "check_columns",
    "check_finite",
    "check_order",
    "check_width",
    "columns_of",
    "concatenate",
    "in_order_of",
    "rows_between",
    "single",
]

FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
FORMATS = "give a .npy, .npz, .safetensors or .parquet file"


def as_rows(source: Any, name: str) -> Rows:
    """Rows of a tensor, an array, a memory map, or a file (.npy, .npz, .safetensors, .parquet).

    A file may name one of several arrays after a colon: `bank.npz:text`; an array, tensor or column `id` holds its
    rows' ids. `name` is used in errors. Raises InputError where the source is no matrix of finite floating-point
    numbers: at once, or, for what is read later, when the row is read.
    """
    if isinstance(source, Rows):
        return source
    if isinstance(source, str | Path):
        return _open(str(source), name)
    if isinstance(source, Tensor):
        return _TensorRows(source, name)
    if isinstance(source, np.ma.MaskedArray):
        raise InputError(f"{name} must have no mask: got a masked array; fill it, or keep the rows that are whole")
    if isinstance(source, np.ndarray):
        whole = isinstance(source.base, mmap.mmap)  # of a part of a memory map the rows are counted anew
        return _ArrayRows(source, name, str(getattr(source, "filename", None) or "") if whole else "")
    raise InputError(
        f"{name} must be a NumPy array, a torch tensor or a file name: got {type(source).__name__}; use numpy.asarray"
    )


class _TensorRows(Rows):
    in_memory = True

    def __init__(self, tensor: Tensor, name: str) -> None:
        self.name = name
        if tensor.device.type == "meta":
            raise InputError(f"{name} must hold numbers: got a tensor on the device meta, which has none")
        if tensor.layout != torch.strided or type(tensor).__name__ == "MaskedTensor":
            kind = str(tensor.layout).removeprefix("torch.") if tensor.layout != torch.strided else "a masked tensor"
            raise InputError(f"{name} must be a dense tensor: got {kind}; use .to_dense(), or keep the whole rows")
        check_matrix(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), tensor.dtype in FLOATS, name)
        self.shape = (tensor.shape[0], tensor.shape[1])
        self.dtype = torch.float64 if tensor.dtype == torch.float64 else torch.float32
        # The caller's own: converted when read, so that what is read is what it holds. Only a view whose sign is turned
        # when it is read has no memory that holds its numbers.
        self.tensor = tensor.resolve_neg()
        check_finite(tensor, name)

    def _read(self, start: int, stop: int) -> Float[Tensor, "m d"]:
        return self.tensor[start:stop].to(self.dtype)

    def _take(self, index: Int64[np.ndarray, " m"]) -> Float[Tensor, "m d"]:
        return self.tensor[torch.from_numpy(index)].to(self.dtype)


class _ArrayRows(Rows):
    def __init__(self, array: np.ndarray, name: str, path: str = "") -> None:
        self.name, self.array, self.path = name, array, path
        check_matrix(array.shape, str(array.dtype), np.issubdtype(array.dtype, np.floating), name)
        self.shape = (array.shape[0], array.shape[1])
        self.dtype = torch.float64 if array.dtype.itemsize > 4 else torch.float32
        self.in_memory = not isinstance(array, np.memmap)
        if self.in_memory:
            check_finite(self._read(0, len(self)), name, 0, path)
        elif path and Path(path).exists():
            self.opened = Path(path).stat()

    def _kind(self) -> type:
        return np.float64 if self.dtype == torch.float64 else np.float32

    def _read(self, start: int, stop: int) -> Float[Tensor, "m d"]:
        block = self.array[start:stop]
        if self.in_memory:  # a copy where torch cannot hold it: read-only or foreign-endian memory, another type
            return torch.from_numpy(np.require(block, self._kind(), ["C", "W"]))
        return torch.from_numpy(np.array(block, dtype=self._kind()))

    def _take(self, index: Int64[np.ndarray, " m"]) -> Float[Tensor, "m d"]:
        return torch.from_numpy(np.array(self.array[index], dtype=self._kind()))


class _ArchiveRows(_ArrayRows):
    """One array of an .npz file."""

    def __init__(self, path: str, key: str, name: str) -> None:
        with np.load(path, allow_pickle=False) as archive:
            super().__init__(archive[key], name, path)
            self.named = self._named(archive) if ID in archive and key != ID else None  # with the rows they belong to

    def ids(self) -> pa.Array | None:
        return self.named

    def _named(self, archive: Any) -> pa.Array:
        try:
            ids = pa.array(archive[ID])
        except Exception as error:
            raise InputError(f"{self.name}: cannot read `id` of {self.path}: {one_line(error)}") from None
        return plain_ids(ids, self, len(self))


class _SafetensorsRows(Rows):
    def __init__(self, path: str, key: str, name: str) -> None:
        self.name, self.path, self.key, self.opened = name, path, key, Path(path).stat()
        with safe_open(path, framework="pt") as file:
            self.tensor: Tensor = file.get_tensor(key)  # memory-mapped: nothing is read yet
            self.id_tensor = file.get_tensor(ID) if ID in file.keys() and key != ID else None  # noqa: SIM118
        check_matrix(tuple(self.tensor.shape), str(self.tensor.dtype)[6:], self.tensor.dtype in FLOATS, name)
        self.shape = (self.tensor.shape[0], self.tensor.shape[1])
        self.dtype = torch.float64 if self.tensor.dtype == torch.float64 else torch.float32

    def _read(self, start: int, stop: int) -> Float[Tensor, "m d"]:
        return self.tensor[start:stop].to(self.dtype)

    def _take(self, index: Int64[np.ndarray, " m"]) -> Float[Tensor, "m d"]:
        return self.tensor[torch.from_numpy(index)].to(self.dtype)

    def ids(self) -> pa.Array | None:
        return None if self.id_tensor is None else plain_ids(pa.array(self.id_tensor.tolist()), self, len(self))


def _open(source: str, name: str) -> Rows:
    path, key = source, ""
    if why_not_a_file(source) is not None and ":" in source:
        path, _, key = source.rpartition(":")
    if (reason := why_not_a_file(path)) is not None:
        raise InputError(f"{name}: {reason}: {path}; {FORMATS}")
    suffix = Path(path).suffix
    try:
        if suffix == ".npy":
            if key:
                raise InputError(f"{name}: {path} is one array without a name: got :{key}; leave it out")
            return _ArrayRows(np.load(path, mmap_mode="r", allow_pickle=False), name, path)
        if suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                keys = list(archive.keys())
            return _ArchiveRows(path, _key(keys, key, path, name), name)
        if suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                keys = list(file.keys())
            return _SafetensorsRows(path, _key(keys, key, path, name), name)
        if suffix == ".parquet":
            return ParquetRows(path, key or None, name)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{name}: cannot read {path}: {one_line(error)}; is it a {suffix} file?") from None
    raise InputError(f"{name}: unknown kind of file: {path}; {FORMATS}")


def _key(keys: list[str], key: str, path: str, name: str) -> str:
    if key in keys:
        return key
    arrays = [found for found in keys if found != ID]
    if not key and len(arrays) == 1:
        return arrays[0]
    if not arrays:
        raise InputError(f"{name}: {path} holds no array of rows; write the embeddings to it, one row per sample")
    asked = f"has no array {key}" if key else "holds several arrays"
    raise InputError(f"{name}: {path} {asked}; name one of {', '.join(arrays)}, as in {path}:{arrays[0]}")
