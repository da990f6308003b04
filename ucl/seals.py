"""A digest inside a file: who reads the file notices when a byte of it has changed since it was written.

A format with metadata (Parquet, safetensors) is written with `UNSEALED` in it; `seal` puts the SHA-256 of the file in
its place, and `check_seal` takes it of the file as it was before.
"""

import hashlib
import mmap
from pathlib import Path

from ucl.errors import InputError

__all__ = ["KEY", "UNSEALED", "check_seal", "damaged", "seal"]

KEY = "ucl.sha256"  # of the metadata
UNSEALED = hashlib.sha256(b"ucl").hexdigest()


def seal(path: str | Path) -> None:
    """Replace `UNSEALED` in a file that was just written by the digest of the file."""
    with Path(path).open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        place = content.rfind(UNSEALED.encode())
        content[place : place + len(UNSEALED)] = hashlib.sha256(content).hexdigest().encode()


def check_seal(path: str | Path, found: str | None) -> None:
    """Raise InputError unless the file is as it was when it was sealed; `found` is what its metadata says.

    A file without a seal was made elsewhere and is taken as it is.
    """
    if found is None:
        return
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = content.rfind(found.encode())
        with memoryview(content) as view:
            digest = hashlib.sha256(view[:place])
            digest.update(UNSEALED.encode())
            digest.update(view[place + len(UNSEALED) :])
    if place < 0 or digest.hexdigest() != found:
        raise damaged(path)


def damaged(path: str | Path) -> InputError:
    """The error to raise for a file that cannot be what was written."""
    return InputError(f"{path} is damaged: it is not what was written there; delete it, and run again to make it anew")
