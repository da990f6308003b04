"""A folder of one's own media and its manifest: a CSV or Parquet file with the columns id, audio, image, text."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ucl.errors import InputError, one_line
from ucl.media.base import Modality
from ucl.media.text import read_utf8

__all__ = ["MANIFEST", "bank_texts", "manifest_items", "read_manifest", "suite_items"]

COLUMNS = ["id", "audio", "image", "text"]
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|data:")
MANIFEST = pa.schema([(name, pa.string()) for name in COLUMNS])


def read_manifest(path: str | Path) -> pa.Table:
    """The rows of a manifest (`MANIFEST`), strictly: the four columns, unique ids, no row without media.

    Paths are relative to the manifest's folder and returned so that they hold from here; an empty cell means that this
    item has nothing of that kind. A CSV file is UTF-8. Ids are texts or whole numbers. What is wrong is told with its
    place: the line of a CSV file, the number of the row (from 1) of a Parquet file. Whether a file can be read is found
    out when it is embedded.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path}: no such manifest; expected a CSV or Parquet file with the columns {', '.join(COLUMNS)}"
        )
    rows = _parquet_rows(path) if path.suffix == ".parquet" else _csv_rows(path)
    seen: dict[str, tuple[int, str]] = {}
    table = []
    for place, cells in rows:
        row = {name: _cell(cells[name], name, f"{path}:{place}") for name in COLUMNS}
        if not row["id"]:
            raise InputError(f"{path}:{place}: the id is empty")
        if not any(row[name] for name in COLUMNS[1:]):
            raise InputError(f"{path}:{place}: neither audio nor image nor text for {row['id']!r}")
        letters = "".join(row["id"].split())
        if letters in seen:
            first, other = seen[letters]
            again = "again" if other == row["id"] else f"differs from {other!r} by spaces alone"
            raise InputError(f"{path}:{place}: id {row['id']!r} {again}, first at {first}")
        seen[letters] = (place, row["id"])
        table.append(row | {name: str(path.parent / row[name]) for name in ("audio", "image") if row[name]})
    if not rows:
        raise InputError(f"{path}: the manifest has no rows")
    return pa.Table.from_pylist(table, MANIFEST)


def _cell(value: Any, name: str, place: str) -> str:
    """A cell as text, or the error that says what else it is."""
    if value is None:
        return ""
    if name == "id" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise InputError(
            f"{place}: {name} must be one text: got {type(value).__name__} {value!r:.60}; write it as text"
        )
    if value != value.strip():
        raise InputError(f"{place}: {name} has spaces around it: {value!r:.60}; remove them")
    if name in ("audio", "image") and ADDRESS.match(value):
        raise InputError(f"{place}: {name} must be a path: got the address {value!r:.60}; download it first")
    return value


def manifest_items(manifest: pa.Table, modality: Modality) -> dict[str, Any]:
    """What an encoder of this modality embeds: id -> text or id -> path, where there is one."""
    cells = zip(manifest["id"].to_pylist(), manifest[modality].to_pylist(), strict=True)
    return {name: cell if modality == "text" else Path(cell) for name, cell in cells if cell}


def bank_texts(manifest: pa.Table, classes: pa.Table | None = None) -> dict[str, str]:
    """The bank of texts: the descriptions of all classes if given, else the different texts of a manifest."""
    if classes is not None:
        return dict(zip(classes["id"].to_pylist(), classes["description"].to_pylist(), strict=True))
    return {f"text: {text}": text for text in manifest["text"].to_pylist() if text}


def suite_items(texts: Mapping[str, str], embedded: Mapping[Modality, Sequence[Sequence[str]]]) -> pd.DataFrame:
    """The items of a suite of `bridging`: audio and images to test with, each its own label, and texts for the bank.

    `embedded` has, per modality, the ids in the store of each model; only what every model has becomes an item, and
    only clips with both audio and image. Columns: id, modality, split, label, bank, source.
    """
    shared = {modality: set.intersection(*map(set, lists)) for modality, lists in embedded.items()}
    clips = [name for name in embedded["audio"][0] if name in shared["audio"] & shared["image"]]
    if not clips or not shared["text"]:
        raise InputError("no clip, or no text, was embedded by every model; see the tables of failures")
    rows: list[tuple[str, str, str, str | None, bool, str]]
    rows = [(name, kind, "test", name, False, name) for kind in ("audio", "image") for name in clips]
    rows += [(name, "text", "test", None, True, text) for name, text in texts.items() if name in shared["text"]]
    return pd.DataFrame(rows, columns=["id", "modality", "split", "label", "bank", "source"])


def _csv_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(read_utf8(path), newline=""), strict=True)
    rows = []
    try:
        header = next(reader, [])
        if header != COLUMNS:
            raise InputError(f"{path}:1: expected the columns {','.join(COLUMNS)}, got {','.join(header)!r:.80}")
        for cells in reader:
            if len(cells) != len(COLUMNS):
                raise InputError(f"{path}:{reader.line_num}: expected {len(COLUMNS)} fields, got {len(cells)}")
            rows.append((reader.line_num, dict(zip(COLUMNS, cells, strict=True))))
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: {one_line(error)}") from None
    return rows


def _parquet_rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    try:
        with pq.ParquetFile(path) as file:  # read_table would make a column of a folder named like `id=3`
            table = file.read()
        columns = {name: column.to_pylist() for name, column in zip(table.column_names, table.columns, strict=True)}
    except Exception as error:  # Arrow's, of many types, where the file is damaged
        raise InputError(f"{path}: not a Parquet file: {one_line(error)}") from None
    if sorted(table.column_names) != sorted(COLUMNS):
        raise InputError(f"{path}: expected the columns {', '.join(COLUMNS)}, got {', '.join(table.column_names)}")
    return [(i + 1, {name: columns[name][i] for name in COLUMNS}) for i in range(len(table))]
