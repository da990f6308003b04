"""Embeddings on disk: one Parquet file per encoder, whose metadata says which model, which weights and which scale.

Columns: `id` (string, unique) and `embedding` (fixed-size list of `width` float32). The encoder's facts
(`ucl.core.encoder_info.EncoderInfo`) are JSON under the key `ucl.encoder` of the schema's metadata. What `ucl embed`
writes says also which model to load for more of the same, and of files where they lie, with columns `size` and
`modified` (nanoseconds since 1970) of each as it was embedded; of texts with ids, column `text` (`Made`).
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.encoder_info import KEY, EncoderInfo, parse_info
from ucl.core.parquet import ParquetRows
from ucl.errors import InputError, one_line
from ucl.files import check_table, read_table, why_not_a_file, write_table

__all__ = [
    "Made",
    "State",
    "Store",
    "merge_stores",
    "parse_made",
    "read_info",
    "read_made",
    "read_store",
    "write_store",
]

MADE = "ucl.made"  # of the metadata
STATE, TEXT = ("size", "modified"), "text"  # columns
State = tuple[int, int] | str  # size in bytes and time of change in nanoseconds; or the text


@dataclass(frozen=True)
class Made:
    """How a store was made: the model's name, the folder of files, and the state of each item when it was embedded.

    In the file the folder is relative to the store's own, so that both can be moved together.
    """

    model: str
    folder: Path | None = None
    states: Mapping[str, State] | None = None


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


def write_store(store: Store, path: str | Path, made: Made | None = None) -> None:
    """Write a store, and how it was made."""
    values = pa.array(store.embeddings.detach().cpu().float().numpy().reshape(-1))
    columns = {
        "id": pa.array(store.ids, pa.string()),
        "embedding": pa.FixedSizeListArray.from_arrays(values, store.info.width),
    }
    metadata = {KEY: json.dumps(asdict(store.info))}
    if made is not None:
        folder = made.folder and os.path.relpath(made.folder.resolve(), Path(path).resolve().parent)
        metadata[MADE] = json.dumps({"model": made.model, "folder": folder})
        if made.states is not None:
            columns |= _state_columns([made.states[name] for name in store.ids], folder is not None)
    write_table(pa.table(columns).replace_schema_metadata(metadata), path)


def read_info(path: str | Path) -> EncoderInfo:
    """The encoder's facts, from the file's footer alone."""
    info = parse_info(_metadata(path), str(path))
    if info is None:
        raise InputError(f"{path}: not an embedding store: no `{KEY}` metadata; write it with ucl.media.store")
    return info


def _state_columns(states: Sequence[State], files: bool) -> dict[str, pa.Array]:
    if not files:
        return {TEXT: pa.array(states, pa.string())}
    return {name: pa.array([state[i] for state in states], pa.int64()) for i, name in enumerate(STATE)}


def read_made(path: str | Path) -> Made | None:
    """How a store was made; None where it does not say."""
    made = parse_made(_metadata(path), str(path))
    if made is None:
        return None
    table = read_table(path)
    if made.folder is None:
        texts = table.column(TEXT).to_pylist() if TEXT in table.column_names else None
        return made if texts is None else replace(made, states=dict(zip(table["id"].to_pylist(), texts, strict=True)))
    ids, *states = (table.column(name).to_pylist() for name in ("id", *STATE))
    folder = Path(path).resolve().parent / made.folder
    return replace(made, folder=folder, states=dict(zip(ids, zip(*states, strict=True), strict=True)))


def parse_made(metadata: Mapping[str, str], path: str) -> Made | None:
    """The model and the folder as a file's metadata have them; None where they do not say. `path` is used in errors."""
    if MADE not in metadata:
        return None
    try:
        about = json.loads(metadata[MADE])
        return Made(str(about["model"]), None if about["folder"] is None else Path(about["folder"]))
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"{path}: `{MADE}` does not say how it was made: {one_line(error)}; embed it again") from None


def _metadata(path: str | Path) -> dict[str, str]:
    if (reason := why_not_a_file(path)) is not None:
        raise InputError(f"{path}: {reason}; expected an embedding store")
    try:
        metadata = pq.read_schema(path).metadata or {}
    except Exception as error:  # Arrow's, of many types, where the file is damaged
        raise InputError(f"{path}: not a Parquet file: {one_line(error)}") from None
    return {key.decode(errors="replace"): value.decode(errors="replace") for key, value in metadata.items()}


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
