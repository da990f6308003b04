"""Embeddings on disk: one Parquet file per encoder, whose metadata says which model, which weights and which scale.

Columns: `id` (string, unique) and `embedding` (fixed-size list of `width` float32). The encoder's facts
(`ucl.media.base.EncoderInfo`) are JSON under the key `ucl.encoder` of the schema's metadata.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.parquet import ParquetRows
from ucl.errors import InputError, one_line
from ucl.files import check_table, why_not_a_file, write_table
from ucl.media.base import EncoderInfo

__all__ = ["Store", "merge_stores", "read_info", "read_store", "write_store"]

KEY = b"ucl.encoder"


@dataclass(frozen=True)
class Store:
    """Embeddings of one encoder: `embeddings[i]` belongs to `ids[i]`."""

    info: EncoderInfo
    ids: list[str]
    embeddings: Float[Tensor, "n d"]

    def __post_init__(self) -> None:
        who = f"{self.info.model} {self.info.modality}"
        expected, shape = [len(self.ids), self.info.width], list(self.embeddings.shape)
        if shape != expected:
            raise InputError(f"{who}: expected {expected} embeddings (ids, width), got {shape}")
        if len(set(self.ids)) != len(self.ids):
            twice = next(name for i, name in enumerate(self.ids) if name in self.ids[:i])
            raise InputError(f"{who}: ids must be unique, got {twice!r} twice")
        bad = (~torch.isfinite(self.embeddings).all(1)).nonzero()
        if len(bad):
            raise InputError(f"{who}: NaN or infinity in row {self.ids[int(bad[0])]!r}")

    def select(self, ids: Sequence[str]) -> "Store":
        """The rows of `ids`, in that order."""
        row = {name: i for i, name in enumerate(self.ids)}
        missing = [name for name in ids if name not in row]
        if missing:
            raise InputError(
                f"{self.info.model} {self.info.modality}: no embedding of {missing[0]!r} ({len(missing)} missing of "
                f"{len(ids)}); see the table of failures"
            )
        return Store(self.info, list(ids), self.embeddings[[row[name] for name in ids]])


def write_store(store: Store, path: str | Path) -> None:
    """Write a store."""
    values = pa.array(store.embeddings.detach().cpu().float().numpy().reshape(-1))
    table = pa.table(
        {
            "id": pa.array(store.ids, pa.string()),
            "embedding": pa.FixedSizeListArray.from_arrays(values, store.info.width),
        }
    ).replace_schema_metadata({KEY: json.dumps(asdict(store.info))})
    write_table(table, path)


def read_info(path: str | Path) -> EncoderInfo:
    """The encoder's facts, from the file's footer alone."""
    if (reason := why_not_a_file(path)) is not None:
        raise InputError(f"{path}: {reason}; expected an embedding store")
    try:
        metadata = pq.read_schema(path).metadata or {}
    except Exception as error:  # Arrow's, of many types, where the file is damaged
        raise InputError(f"{path}: not a Parquet file: {one_line(error)}") from None
    if KEY not in metadata:
        raise InputError(f"{path}: not an embedding store: no `ucl.encoder` metadata; write it with ucl.media.store")
    try:
        return EncoderInfo(**json.loads(metadata[KEY]))
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: `ucl.encoder` does not describe an encoder: {one_line(error)}") from None


def read_store(path: str | Path) -> Store:
    """Read a store; lists of several lengths, of another width or with nulls are refused with their row."""
    info = read_info(path)
    check_table(path)
    try:
        with pq.ParquetFile(path) as file:
            ids = file.read(columns=["id"]).column("id")
    except Exception as error:  # Arrow's, and a KeyError
        raise InputError(f"{path}: cannot read the column id: {one_line(error)}; write the store again") from None
    if ids.null_count or not (pa.types.is_integer(ids.type) or _is_text(ids.type)):
        found = "a null" if ids.null_count else ids.type
        raise InputError(f"{path}: ids must be texts or whole numbers, one a row: got {found}; write the store again")
    if not len(ids):
        return Store(info, [], torch.empty(0, info.width))
    rows = ParquetRows(str(path), "embedding", "an embedding store")
    return Store(info, ids.cast(pa.string()).to_pylist(), rows.read(0, len(rows)).float())


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def merge_stores(stores: Iterable[Store]) -> Store:
    """One store from several of the same encoder; stores of different models, weights or scales are refused."""
    parts = list(stores)
    first = parts[0].info
    for part in parts[1:]:
        wrong = [key for key, value in asdict(first).items() if asdict(part.info)[key] != value]
        if wrong:
            told = ", ".join(f"{key} {getattr(first, key)!r} and {getattr(part.info, key)!r}" for key in wrong)
            raise InputError(f"stores of different encoders do not mix: got {told}; embed all items with one model")
    return Store(first, [name for part in parts for name in part.ids], torch.cat([part.embeddings for part in parts]))
