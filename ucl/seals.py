"""A digest inside a file: who reads the file notices when a byte of it has changed since it was written.

A format with metadata (Parquet, safetensors) is written with `UNSEALED` in it; `seal` puts the SHA-256 of the file in
its place, and `check_seal` takes it of the file as it was before. Files are read a chunk at a time: they may be larger
than memory.
"""

import hashlib
from pathlib import Path
from typing import BinaryIO

from ucl.errors import InputError

__all__ = ["KEY", "UNSEALED", "check_seal", "damaged", "seal"]

KEY = "ucl.sha256"  # of the metadata
UNSEALED = hashlib.sha256(b"ucl").hexdigest()
CHUNK = 2**24  # bytes


def seal(path: str | Path) -> None:
    """Replace `UNSEALED` in a file that was just written by the digest of the file."""
    with Path(path).open("r+b") as file:
        place = _last(file, UNSEALED)
        digest = _digest(file, place)
        file.seek(place)
        file.write(digest.encode())


def check_seal(path: str | Path, found: str | None) -> None:
    """Raise InputError unless the file is as it was when it was sealed; `found` is what its metadata says.

    A file without a seal was made elsewhere and is taken as it is.
    """
    if found is None:
        return
    with Path(path).open("rb") as file:
        place = _last(file, found)
        if place < 0 or _digest(file, place) != found:
            raise damaged(path)


def _last(file: BinaryIO, text: str) -> int:
    """Where `text` stands last in a file; -1 where it does not."""
    stop = file.seek(0, 2)
    while stop > 0:
        start = max(0, stop - CHUNK)
        file.seek(start)
        place = file.read(stop - start + len(text) - 1).rfind(text.encode())
        if place >= 0:
            return start + place
        stop = start
    return -1


def _digest(file: BinaryIO, place: int) -> str:
    """SHA-256 of a file with `UNSEALED` at `place`."""
    running, end = hashlib.sha256(), place + len(UNSEALED)
    file.seek(0)
    for start, stop in ((0, place), (end, file.seek(0, 2))):
        file.seek(start)
        while start < stop and (chunk := file.read(min(CHUNK, stop - start))):
            running.update(chunk)
            start += len(chunk)
        if stop == place:
            running.update(UNSEALED.encode())
    return running.hexdigest()


def damaged(path: str | Path) -> InputError:
    """The error to raise for a file that cannot be what was written."""
    return InputError(f"{path} is damaged: it is not what was written there; delete it, and run again to make it anew")
