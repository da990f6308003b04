"""A prepared bank on disk: a folder of safetensors parts and a description of them, checked when it is opened."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import torch
import xxhash
from safetensors import safe_open
from torch import Tensor

from ucl.core.origin import Piece
from ucl.errors import InputError
from ucl.files import place_beside, read_json, read_table, swap_in, write_json, write_table
from ucl.seals import KEY, check_seal
from ucl.tensors import read_tensors, write_tensors

__all__ = ["FolderWriter", "opened", "read_folder", "shard_of", "shard_range"]

FORMAT = "ucl-bank-2"
DESCRIPTION, WEIGHTS, IDS = "bank.json", "weights.safetensors", "ids.parquet"
NORM = 1e-5  # how far the norm of a float32 row of norm one may be from it
CHUNK = 2**24  # bytes


@contextmanager
def opened(path: str | Path, key: str, what: str, writer: str) -> Iterator[tuple[Any, dict[str, str]]]:
    """A safetensors file of our own, by `key` in its metadata, and the metadata; anything else is an InputError."""
    refusal = InputError(f"{path} holds no {what}: expected a file that {writer} wrote")
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            if key not in about:
                raise refusal
            check_seal(path, about.get(KEY))
            yield file, about
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"no such file: {path}; expected a file that {writer} wrote") from None
    except Exception:
        raise refusal from None


class FolderWriter:
    """Builds a folder beside `path`, which takes its place in `finish`; on any exception nothing is left of it."""

    def __init__(self, path: Path) -> None:
        self.path, self.beside = place_beside(path, _is_own, "a prepared bank")
        self.parts: list[dict[str, Any]] = []

    def __enter__(self) -> "FolderWriter":
        self.beside.mkdir(parents=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        shutil.rmtree(self.beside, ignore_errors=True)

    def add(self, tensors: Mapping[str, Tensor]) -> None:
        """Write the next part."""
        name = f"part-{len(self.parts):05d}.safetensors"
        self.parts.append({"file": name, "rows": len(tensors["for_a"])} | self._write(tensors, name))

    def finish(self, about: Mapping[str, Any], weights: Mapping[str, Tensor], ids: pa.Array | None = None) -> None:
        """Write the description, the weights and the samples' ids, and swap the folder in."""
        about = {"format": FORMAT, **about, "parts": self.parts}
        if weights:
            about["weights"] = self._write(weights, WEIGHTS)
        if ids is not None:
            write_table(pa.table({"id": ids}), self.beside / IDS)
            about["ids"] = {"digest": _digest(self.beside / IDS)}
        write_json(about, self.beside / DESCRIPTION)
        swap_in(self.beside, self.path)

    def _write(self, tensors: Mapping[str, Tensor], name: str) -> dict[str, str]:
        write_tensors(tensors, self.beside / name)
        return {"digest": _digest(self.beside / name)}


def shard_range(samples: int, index: int, count: int) -> tuple[int, int]:
    """Where shard `index` of `count` begins and ends."""
    return index * samples // count, (index + 1) * samples // count


def shard_of(folder: Path) -> tuple[int, int] | None:
    """Which of how many shards of a bank the folder holds; None where it holds a whole bank."""
    about = _describe(folder)
    return (int(about["shard"][0]), int(about["shard"][1])) if "shard" in about else None


def read_folder(
    folder: Path, verify: bool, shard: tuple[int, int] | None = None
) -> tuple[dict[str, Any], dict[str, list[str]], dict[str, Tensor], pa.Array | None]:
    """The description (with `digest`, of all of it), the sources of each side's rows, the weights, and the ids.

    With `verify`, every file is read and compared with its digest, and rows are checked; of a shard (index and count)
    only the files that hold its rows.
    """
    about = _describe(folder)
    names = ["for_a"] if about["shared"] else ["for_a", "for_c"]
    first, last = shard_range(about["samples"], *(shard or (0, 1)))
    start = 0
    for part in about["parts"]:
        inside = start < last and first < start + part["rows"]
        _check_part(folder / part["file"], part, dict(zip(names, about["unit"], strict=False)), verify and inside)
        start += part["rows"]
    weights = {}
    if "weights" in about:
        if verify:
            _check_digest(folder / WEIGHTS, about["weights"]["digest"])
        weights = read_tensors(folder / WEIGHTS)
    sources = {name: [f"{folder / part['file']}:{name}" for part in about["parts"]] for name in names}
    return about, sources, weights, _read_ids(folder, about)


def _read_ids(folder: Path, about: Mapping[str, Any]) -> pa.Array | None:
    if "ids" not in about:
        return None
    _check_digest(folder / IDS, about["ids"]["digest"])
    ids = read_table(folder / IDS).column("id").combine_chunks()
    if len(ids) != about["samples"]:
        raise InputError(f"{folder / IDS} must name {about['samples']} samples: got {len(ids)}; build the bank again")
    return ids


def _describe(folder: Path) -> dict[str, Any]:
    """`bank.json`, if it says what it must and adds up."""
    path = folder / DESCRIPTION
    if not path.is_file():
        raise InputError(f"no prepared bank in {folder}: {DESCRIPTION} is missing; make it with `ucl bank build`")
    try:
        about = read_json(path)
        kind = about.get("format")
        if kind == FORMAT:
            parts = [(part["file"], int(part["rows"]), str(part["digest"])) for part in about["parts"]]
            sizes, samples = [int(size) for size in about["sizes"]], int(about["samples"])
            names = [name for name, _, _ in parts]
            critics = [(str(kind), float(scale)) for kind, scale in about["critics"]]
            sound = (
                len(about["unit"]) == len(critics) == 2
                and isinstance(about["shared"], bool)
                and all(map(_is_part, names))
            )
            sound = sound and min(sizes) > 0 and len(set(names)) == len(names)
            sound = sound and (("shard" in about) == ("piece" in about)) and len(about.get("shard", (0, 0))) == 2
            if "piece" in about:
                piece = Piece(**about["piece"])
                sound = sound and piece.stop - piece.start == samples
            sound = sound and all(isinstance(said, dict) for said in about.get("metadata", ()))
            if not sound or sum(sizes) != samples or sum(rows for _, rows, _ in parts) != samples:
                raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path} does not describe a bank that adds up; build it again") from None
    if kind != FORMAT:
        raise InputError(f"{path}: expected format {FORMAT}, got {kind}; build it again")
    identity = json.dumps({key: value for key, value in about.items() if key != "sizes"}, sort_keys=True)
    return {**about, "digest": xxhash.xxh3_128_hexdigest(identity.encode())}


def _check_part(path: Path, part: Mapping[str, Any], sides: Mapping[str, bool], verify: bool) -> None:
    """Raise unless the file holds the rows that its description promises."""
    try:
        with safe_open(path, framework="pt") as file:
            held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, mapped: nothing is read yet
    except Exception:
        raise InputError(f"{path} is missing or no safetensors file; build the bank again") from None
    if any(len(held.get(name, ())) != part["rows"] for name in sides):
        raise InputError(f"{path} must hold {part['rows']} rows for each side; it is not this bank's: build it again")
    if not verify:
        return
    _check_digest(path, part["digest"])
    for name, unit in sides.items():
        sizes = torch.linalg.vector_norm(held[name], dim=1)
        if not bool(((sizes - 1).abs() <= NORM).all() if unit else torch.isfinite(held[name]).all()):
            what = "rows of norm one" if unit else "finite rows"
            raise InputError(f"{path} must hold {what} for {name}: got others; build the bank again")


def _check_digest(path: Path, expected: str) -> None:
    if not path.is_file() or _digest(path) != expected:
        raise InputError(f"{path} is damaged or of another bank: its digest is another than written; build it again")


def _digest(path: Path) -> str:
    """XXH3 of a file: damage and mix-ups are told at the speed of memory; it does not stand against forgery."""
    running = xxhash.xxh3_128()
    with path.open("rb") as handle:
        while chunk := handle.read(CHUNK):
            running.update(chunk)
    return str(running.hexdigest())


def _is_own(name: str) -> bool:
    return name in (DESCRIPTION, WEIGHTS, IDS) or _is_part(name)


def _is_part(name: str) -> bool:
    return Path(name).name == name and name.startswith("part-") and name.endswith(".safetensors")
