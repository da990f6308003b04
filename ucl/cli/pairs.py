"""Known pairs from a file of two columns of ids."""

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ucl.cli.inputs import names
from ucl.core.readers import Rows
from ucl.errors import InputError, one_line
from ucl.files import why_not_a_file

__all__ = ["read_pairs"]


def read_pairs(path: Path, a: Rows, c: Rows) -> list[tuple[int, int]]:
    """The pairs in a .csv (with a header) or .parquet file as rows of `a` and of `c`; the first column names A's."""
    if (reason := why_not_a_file(path)) is not None:
        raise InputError(f"--pairs: {reason}: {path}; give a .csv or .parquet file of two columns of ids")
    if path.suffix not in (".csv", ".parquet"):
        raise InputError(f"--pairs must be a .csv or .parquet file: got {path}")
    try:
        table = _read_csv(path) if path.suffix == ".csv" else pq.read_table(path)
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        raise InputError(f"--pairs: cannot read {path}: {one_line(error)}") from None
    if table.num_columns != 2 or not len(table):
        raise InputError(
            f"--pairs must have two columns, ids of A and of C, and at least one pair: got {table.num_columns} columns "
            f"({', '.join(table.column_names)}) and {len(table)} rows in {path}"
        )
    sides = [_found(table.column(side), rows, path) for side, rows in enumerate((a, c))]
    return list(zip(*sides, strict=True))


def _read_csv(path: Path) -> pa.Table:
    """Every column as text: an id such as 007 is no number."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = [row for row in csv.reader(file) if row] or [[]]
    if any(len(row) != len(header) for row in rows):
        raise ValueError("its rows are not of one length")
    return pa.table({name: [row[i] for row in rows] for i, name in enumerate(header)})


def _found(column: pa.ChunkedArray, rows: Rows, path: Path) -> list[int]:
    known: dict[str, int] = {}
    for row, name in enumerate(map(str, names(rows))):
        if name in known:
            raise InputError(
                f"{rows.name} must have ids of one row each to be paired: {name!r} stands twice; rename one"
            )
        known[name] = row
    wanted = [str(one) for one in column.to_pylist()]
    missing = [one for one in wanted if one not in known]
    if missing:
        raise InputError(
            f"--pairs: {path} names {missing[0]!r}, which {rows.path or rows.name} does not hold ({len(missing)} such "
            f"ids); expected ids like {next(iter(known))!r}"
        )
    return [known[one] for one in wanted]
