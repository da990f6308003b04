"""Files that are either whole or absent: written under a temporary name, then moved into place."""

import hashlib
import json
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ucl.errors import InputError
from ucl.seals import KEY, UNSEALED, check_seal, damaged, seal

__all__ = [
    "check_table",
    "digest",
    "place_beside",
    "read_json",
    "read_parquet",
    "read_table",
    "replacing",
    "replacing_folder",
    "swap_in",
    "why_not_a_file",
    "write_json",
    "write_parquet",
    "write_table",
    "write_text",
]


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is synced and becomes `path`.

    On any exception (a full disk, Ctrl-C) the temporary file is removed and `path` keeps what it held. A killed
    process leaves at most a hidden file behind, never half a `path`.
    """
    path = Path(os.path.realpath(path))  # through a link to what it points at
    if path.is_symlink() or (path.exists() and not path.is_file()):  # a circle of links, a folder, a device
        raise InputError(f"{path} is not a file: name a file to write to")
    temporary = path.with_name(f".{path.stem[:50]}.{secrets.token_hex(4)}.tmp{path.suffix}")
    mode = _make(temporary, path)
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.chmod(mode)  # some libraries write for the owner alone
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | Path, own: Set[str], what: str) -> Iterator[Path]:
    """Yield a new folder beside `path`; on success it takes the place of `path`, on any exception nothing is left.

    `own` and `what` as for `place_beside`.
    """
    path, beside = place_beside(path, own.__contains__, what)
    beside.mkdir(parents=True)
    try:
        yield beside
        swap_in(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def place_beside(path: str | Path, own: Callable[[str], bool], what: str) -> tuple[Path, Path]:
    """Where a folder, `what` in words, goes in the end, and where it is built until then; nothing is made.

    InputError where `path` is a file, or holds files that are not `own`, which would be lost with it.
    """
    path = Path(os.path.realpath(path))  # through a link to what it points at
    if path.exists() and not path.is_dir():
        raise InputError(f"{what} is a folder: {path} is a file; choose another name")
    others = sorted(entry.name for entry in path.iterdir() if not own(entry.name)) if path.is_dir() else []
    if others:
        raise InputError(f"{path} holds files of another kind ({others[0]}): choose a new folder for {what}")
    return path, path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def swap_in(beside: Path, path: Path) -> None:
    """Let a folder that was built beside `path` take its place; what was there is gone then."""
    old = beside.with_suffix(".old")
    if path.exists():
        path.rename(old)
    beside.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def _make(temporary: Path, path: Path) -> int:
    """Make an empty file, and folders above it, so that a place one cannot write to is told at once; its mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
        return temporary.stat().st_mode & 0o777
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{path} cannot be written: something above it is a file, not a folder") from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


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


def write_parquet(frame: Any, path: str | Path) -> None:
    """Write a table of pandas, which is not imported here, as Parquet, sealed (`ucl.seals`), without its index."""
    write_table(pa.Table.from_pandas(frame, preserve_index=False), path)


def read_parquet(path: str | Path) -> Any:
    """Read a Parquet file as a table of pandas; InputError where its seal does not hold."""
    return read_table(path).to_pandas()


def write_table(table: pa.Table, path: str | Path) -> None:
    """Write an Arrow table as Parquet, sealed, with its schema's metadata."""
    with replacing(path) as temporary:
        metadata = (table.schema.metadata or {}) | {KEY: UNSEALED}
        pq.write_table(table.replace_schema_metadata(metadata), temporary)
        seal(temporary)


def read_table(path: str | Path) -> pa.Table:
    """Read a Parquet file as an Arrow table; InputError where its seal does not hold."""
    check_table(path)
    with _telling_damage(path):
        table = pq.read_table(path, partitioning=None)  # folders named a=b above it are no columns
    kept = {key: value for key, value in (table.schema.metadata or {}).items() if key != KEY.encode()}
    return table.replace_schema_metadata(kept or None)


def check_table(path: str | Path) -> None:
    """Raise InputError where a Parquet file's seal does not hold, or where it is no Parquet file."""
    with _telling_damage(path):
        found = (pq.read_metadata(path).metadata or {}).get(KEY.encode())
    check_seal(path, None if found is None else found.decode(errors="replace"))


@contextmanager
def _telling_damage(path: str | Path) -> Iterator[None]:
    """Whatever Arrow says of a file that is there is one line."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError):
        raise damaged(path) from None


def digest(path: str | Path) -> str:
    """SHA-256 of a file."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
