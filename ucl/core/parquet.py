"""Rows from a Parquet file: a column of lists of floats, or a table of nothing but floats; a row group at a time."""

import json
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ucl.core.matrices import COLUMNS, ID, Rows, check_matrix, plain_ids
from ucl.errors import InputError, one_line
from ucl.seals import KEY as SEAL

__all__ = ["ParquetRows"]

COPY_ROWS = 2**14  # rows that are copied at a time


class ParquetRows(Rows):
    """A column of lists of floats (any of Arrow's kinds of list), or every column of a table of floats.

    A column `id` and pandas' index are no part of the embedding. A row group is decoded once where rows are read in
    order. One lock guards the file: pyarrow's reader is not made for several threads, and one row group is kept.
    """

    decoded = True

    def __init__(self, path: str, key: str | None, name: str) -> None:
        self.name, self.path, self.opened = name, path, Path(path).stat()
        self.file = pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)
        self.lock, self.copying = threading.Lock(), threading.Lock()
        self.copy: np.ndarray | None = None  # where rows are asked for in another order
        self.group: tuple[int, np.ndarray] | None = None
        schema = self.file.schema_arrow
        self.metadata = _own_metadata(schema)
        self.list_column, self.columns = _columns(schema, key, f"{name}: {path}")
        self.key = self.list_column or ""
        if self.list_column is None:
            self.metadata[COLUMNS] = json.dumps(self.columns)
        kinds = [_item(schema.field(c).type) or schema.field(c).type for c in self.columns]
        self.dtype = torch.float64 if pa.float64() in kinds else torch.float32
        metadata = self.file.metadata
        sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        self.starts = np.cumsum([0, *sizes])
        filled = [i for i, size in enumerate(sizes) if size]
        self.shape = (metadata.num_rows, len(self.columns))
        if self.list_column is not None and filled:
            self.group = (filled[0], self._decode(filled[0], None))
            self.shape = (metadata.num_rows, self.group[1].shape[1])
        check_matrix(self.shape, str(kinds[0]), True, name)

    def ids(self) -> pa.Array | None:
        return self.ids_between(0, len(self))

    def ids_between(self, start: int, stop: int) -> pa.Array | None:
        if ID not in self.file.schema_arrow.names or self.list_column == ID:
            return None
        try:
            groups = self._groups(start, stop)
            with self.lock:
                column = self.file.read_row_groups(groups, columns=[ID]).column(ID)
        except (OSError, pa.ArrowException, MemoryError) as error:
            raise self._unreadable(error) from None
        own = column.slice(start - int(self.starts[groups[0]]), stop - start)
        return plain_ids(own, self, stop - start)

    def _read(self, start: int, stop: int) -> Float[Tensor, "m d"]:
        values = self._empty(stop - start)
        with self.lock:
            for group in self._groups(start, stop):
                first = self.starts[group]
                low, high = max(start, first), min(stop, self.starts[group + 1])
                values[low - start : high - start] = self._load(group)[low - first : high - first]
        return torch.from_numpy(values)

    def _groups(self, start: int, stop: int) -> list[int]:
        """The row groups that hold rows `start` to `stop`."""
        groups: list[int] = np.flatnonzero((self.starts[:-1] < stop) & (self.starts[1:] > start)).tolist()
        return groups

    def _take(self, index: Int64[np.ndarray, " m"]) -> Float[Tensor, "m d"]:
        with self.copying:
            if self.copy is None:
                self.copy = self._decoded()
        return torch.from_numpy(self.copy[index])

    def _decoded(self) -> np.ndarray:
        """The file's rows in a temporary file, mapped: in another order every block would decode every row group."""
        try:
            with tempfile.TemporaryFile() as file:
                for start in range(0, len(self), COPY_ROWS):
                    file.write(self._read(start, min(start + COPY_ROWS, len(self))).numpy().tobytes())
                file.flush()
                return np.memmap(file, self._kind(), "r", shape=self.shape)
        except OSError as error:
            raise InputError(
                f"{self.name}: no room for the rows of {self.path} in {tempfile.gettempdir()}: {one_line(error)}; "
                "set TMPDIR to another disk, or write both files in one order"
            ) from None

    def _empty(self, rows: int) -> np.ndarray:
        return np.empty((rows, self.shape[1]), self._kind())

    def _kind(self) -> type:
        return np.float64 if self.dtype == torch.float64 else np.float32

    def _load(self, group: int) -> np.ndarray:
        if self.group is None or self.group[0] != group:
            self.group = (group, self._decode(group, self.shape[1]))
        return self.group[1]

    def _decode(self, group: int, width: int | None) -> np.ndarray:
        """The rows of one row group; the first one says how wide they are."""
        try:
            table = self.file.read_row_group(group, columns=self.columns)
        except (OSError, pa.ArrowException, MemoryError) as error:
            raise self._unreadable(error) from None
        start = int(self.starts[group])
        if len(table) != self.starts[group + 1] - start:
            raise InputError(f"{self.name}: {self.path} is damaged: row group {group} has lost rows; write it again")
        columns = [table.column(name).combine_chunks() for name in self.columns]
        if self.list_column is not None:
            return self._matrix(columns[0], start, width)
        for column in columns:
            self._check_no_null(column, start)
        return np.stack([column.to_numpy(zero_copy_only=False) for column in columns], 1)

    def _matrix(self, column: Any, start: int, width: int | None) -> np.ndarray:
        """A list column as a matrix; every list must have the same length."""
        self._check_no_null(column, start)
        lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
        width = int(lengths[0]) if width is None else width
        if (wrong := lengths != width).any():
            row = int(np.argmax(wrong))
            raise InputError(
                f"{self.name} must hold lists of one length: row {start + row} of {self.path} holds "
                f"{lengths[row]} numbers, the rows before it {width}; embed it again"
            )
        values = pc.list_flatten(column)
        if values.null_count:
            row = start + pc.index(pc.is_null(values), True).as_py() // width
            raise InputError(f"{self.name} must be finite: row {row} of {self.path} holds a null; remove the row")
        return values.to_numpy(zero_copy_only=False).reshape(len(column), width)

    def _unreadable(self, error: BaseException) -> InputError:
        return InputError(f"{self.name}: cannot read {self.path}: {one_line(error)}; is it damaged?")

    def _check_no_null(self, column: Any, start: int) -> None:
        if column.null_count:
            row = start + pc.index(pc.is_null(column), True).as_py()
            raise InputError(f"{self.name} must be finite: row {row} of {self.path} is null; remove the row")


def _columns(schema: pa.Schema, key: str | None, where: str) -> tuple[str | None, list[str]]:
    """The column of lists (if it is one) and all columns that hold the embedding."""
    fields = [field for field in schema if field.name != ID and field.name not in _index(schema)]
    lists = [field.name for field in fields if _item(field.type) is not None]
    told = ", ".join(f"{field.name} ({field.type})" for field in fields[:6]) + (", ..." if len(fields) > 6 else "")
    if key is not None:
        if key not in schema.names:
            raise InputError(f"{where} has no column {key}; it holds {told}")
        if schema.names.count(key) == 1 and _item(schema.field(key).type) is None:
            raise InputError(f"{where}: column {key} must hold lists of floats: got {schema.field(key).type}")
        lists = [key]
    if len(lists) > 1:
        raise InputError(f"{where} holds several embeddings ({', '.join(lists)}); name one, as in FILE:{lists[0]}")
    if not lists and not (fields and all(pa.types.is_floating(field.type) for field in fields)):
        # A table of texts and numbers: its one float column (a duration, a score) is no embedding.
        raise InputError(
            f"{where} holds no embedding: expected a column of lists of floats, or floating-point columns alone beside "
            f"id, got {told or 'no column'}"
        )
    columns = lists or [field.name for field in fields]
    if len(set(columns)) < len(columns) or any(schema.names.count(name) > 1 for name in columns):
        raise InputError(f"{where} has two columns of one name; rename one")
    return (lists[0] if lists else None), columns


def _own_metadata(schema: pa.Schema) -> dict[str, str]:
    """What the file says under keys of ours, but for its seal."""
    found = {key.decode(errors="replace"): value for key, value in (schema.metadata or {}).items()}
    return {key: found[key].decode(errors="replace") for key in found if key.startswith("ucl.") and key != SEAL}


def _index(schema: pa.Schema) -> list[str]:
    """The columns that pandas wrote as the table's index."""
    try:
        index = json.loads((schema.metadata or {}).get(b"pandas", b"{}")).get("index_columns", [])
    except (ValueError, AttributeError):
        return []
    return [name for name in index if isinstance(name, str)]


def _item(kind: Any) -> Any:
    """What a list of floats holds; None for every other type."""
    lists = ("is_list", "is_large_list", "is_fixed_size_list", "is_list_view", "is_large_list_view")
    is_list = any(getattr(pa.types, name)(kind) for name in lists)
    return kind.value_type if is_list and pa.types.is_floating(kind.value_type) else None
