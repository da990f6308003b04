"""How the command tells answers: a table in the terminal, JSON, or a file; and warnings, a line each on stderr."""

import json
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from ucl.core.reliability import FlatBankWarning, ThinBankWarning
from ucl.core.retrieval import Retrieval
from ucl.errors import InputError

__all__ = ["check_suffix", "lines", "shown", "table", "told", "write"]

WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {".parquet": pq.write_table, ".csv": pa.csv.write_csv}
NUMBERS = ("scores", "standard_errors", "effective_samples", "reliable")
Because = Sequence[tuple[str, float]]  # samples of the bank and their shares of a score
OF_THE_BANK = (ThinBankWarning, FlatBankWarning)
LONGEST = 40  # letters of a sample in a table
HEADER = ("query", "rank", "candidate", "score", "std. error", "eff. samples", "reliable")


def check_suffix(out: Path) -> None:
    """Raise unless the name says how to write answers."""
    if out.suffix not in WRITERS:
        raise InputError(f"--out must end in {' or '.join(WRITERS)}: got {out}")


def table(found: Retrieval, queries: Sequence[Any], candidates: Sequence[Any]) -> pa.Table:
    """A row per answer: query, rank (1 is best), candidate, score, and what the score is worth."""
    n, k = found.indices.shape
    indices = found.indices.flatten().tolist()
    columns = {
        "query": _column([query for query in queries for _ in range(k)]),
        "rank": np.tile(np.arange(1, k + 1), n),
        "candidate": _column([candidates[index] for index in indices]),
    }
    single = ("score", "standard_error", "effective_samples", "reliable")
    return pa.table(
        columns | {one: np.asarray(getattr(found, many)).ravel() for one, many in zip(single, NUMBERS, strict=True)}
    )


def _column(names: list[Any]) -> pa.Array:
    """Names as Arrow holds them: numbers beyond int64 without a sign."""
    large = any(isinstance(name, int) and name >= 2**63 for name in names)
    return pa.array(names, pa.uint64() if large else None)


def write(answers: pa.Table, temporary: Path, out: Path) -> None:
    """Write answers in the format that the name `out` says."""
    WRITERS[out.suffix](answers, temporary)


def lines(
    found: Retrieval,
    queries: Sequence[Any],
    candidates: Sequence[Any],
    as_json: bool,
    because: Sequence[Sequence[Because]] | None = None,
) -> Iterator[str]:
    """A JSON object per query, or a table with a line per answer; `because`, per answer, is what carries its score."""
    if not as_json:
        rows: list[tuple[str, ...]] = [_cells(row) for row in table(found, queries, candidates).to_pylist()]
        header: tuple[str, ...] = HEADER
        if because is not None:
            header = (*HEADER, "because")
            rows = [(*row, _reason(one)) for row, one in zip(rows, (x for xs in because for x in xs), strict=True)]
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        for cells in (header, *rows):
            yield "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        return
    for row, query in enumerate(queries):
        about = {"query": query, "candidates": [candidates[index] for index in found.indices[row].tolist()]}
        about |= {name: [_number(value) for value in getattr(found, name)[row].tolist()] for name in NUMBERS}
        if because is not None:
            about["because"] = [[{"sample": x, "share": share} for x, share in one] for one in because[row]]
        yield json.dumps(about)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    texts = [shown(str(row[name])) for name in ("query", "rank", "candidate")]
    numbers = [f"{row['score']:.4f}", f"{row['standard_error']:.4f}", f"{row['effective_samples']:.1f}"]
    return (*texts, *numbers, "yes" if row["reliable"] else "no")


def shown(name: str) -> str:
    """A name as a terminal may show it, on one line: what would move its cursor or its colours is spelled out."""
    return "".join(x if x.isprintable() else x.encode("unicode_escape").decode() for x in name)


def _reason(because: Because) -> str:
    return ", ".join(f"{share:.0%} {shown(shorten(one, LONGEST, placeholder='...'))}" for one, share in because)


def _number(value: Any) -> Any:
    """JSON has no NaN, which the error over a single sample is."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def told() -> Iterator[None]:
    """Warnings about the bank are a line each on stderr."""
    with warnings.catch_warnings(record=True) as caught:
        for kind in OF_THE_BANK:
            warnings.simplefilter("always", kind)
        yield
    for warning in caught:
        if issubclass(warning.category, OF_THE_BANK):
            print(f"ucl: warning: {' '.join(str(warning.message).split())}", file=sys.stderr)
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
