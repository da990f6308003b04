"""Files that are either whole or absent: written under a temporary name, then moved into place."""

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = [
    "digest",
    "read_json",
    "replacing",
    "why_not_a_file",
    "write_json",
    "write_parquet",
    "write_text",
]


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is synced and becomes `path`.

    On any exception (a full disk, Ctrl-C) the temporary file is removed and `path` keeps what it held. A killed
    process leaves at most a hidden file behind, never half a `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def why_not_a_file(path: str | Path) -> str | None:
    """Why a path is not to be opened for reading, in words; None for a regular file.

    A pipe would wait for ever for its writer, a device may have no end.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except (FileNotFoundError, ValueError):  # a null byte in a name is a ValueError
        return "no such file"
    except OSError as error:
        return (error.strerror or type(error).__name__).lower()
    return None if stat.S_ISREG(mode) else "not a regular file but a folder, pipe or device"


def write_text(text: str, path: str | Path) -> None:
    """Write UTF-8 text."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(value: Any, path: str | Path) -> None:
    """Write JSON that a person can read and a diff can follow; NaN and infinity are refused."""
    write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", path)


def read_json(path: str | Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_parquet(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table as Parquet, without its index."""
    with replacing(path) as temporary:
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), temporary)


def digest(path: str | Path) -> str:
    """SHA-256 of a file."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
