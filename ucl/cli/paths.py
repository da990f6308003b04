"""Where the command writes is never what it reads."""

import os
from pathlib import Path

from ucl.errors import InputError

__all__ = ["check_apart", "file_of"]


def check_apart(out: Path, *sources: str | Path | None) -> None:
    """Raise where writing to `out` would overwrite what is read, also through links and inside a bank's folder."""
    for source in sources:
        if source is None:
            continue
        path = file_of(str(source))
        for read in (path, *(path.iterdir() if path.is_dir() else ())):
            if _is_same(read, out) or Path(os.path.realpath(out)) in Path(os.path.realpath(read)).parents:
                raise InputError(f"{out} would overwrite {source}, which is read: name another place to write to")


def file_of(source: str) -> Path:
    """The path in FILE or FILE:NAME."""
    path = Path(source)
    return path if path.exists() or ":" not in source else Path(source.rpartition(":")[0])


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)
