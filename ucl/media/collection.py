"""What there is to embed in a folder, a file of media, or a file of texts; and what each is called."""

import csv
import io
import os
from collections import Counter
from collections.abc import Collection as Several
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ucl.errors import InputError, one_line
from ucl.files import why_not_a_file
from ucl.media.base import Modality
from ucl.media.decode import SUFFIXES
from ucl.media.store import State
from ucl.media.text import read_utf8

__all__ = ["NAMES", "Collection", "read_collection", "state_of"]

TEXTS = (".txt", ".csv")
EMBEDDINGS = (".parquet", ".npy", ".npz", ".safetensors")
NAMES: dict[Modality, str] = {"image": "pictures", "audio": "sounds", "text": "texts"}
KINDS = (
    "a folder of pictures or sounds, one of them, or texts: a .txt (one a line) or a .csv (column `text` or `caption`)"
)


@dataclass(frozen=True)
class Collection:
    """Items of one modality by id: paths relative to `folder`, with `/`; a text is its own id unless it is `named`."""

    modality: Modality
    items: Mapping[str, Any]  # id -> path, or text
    folder: Path | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)  # why -> how many
    named: bool = False

    def states(self) -> dict[str, State] | None:
        """What an embedding was made of: a file's size and time of change, a named text; None for texts without names.

        A file that is gone has neither size nor time.
        """
        if self.folder is None:
            return dict(self.items) if self.named else None
        return {name: state_of(path) or (-1, -1) for name, path in self.items.items()}


def state_of(path: Path) -> tuple[int, int] | None:
    """Size and time of change; None where the file is gone."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns


def _kind_of(path: Path) -> Modality | None:
    """What a file is by the end of its name; None for what is no media."""
    suffix = path.suffix.lower()
    if suffix in TEXTS:
        return "text"
    return next((modality for modality, suffixes in SUFFIXES.items() if suffix in suffixes), None)


def read_collection(source: Path, modalities: Several[Modality], model: str) -> Collection:
    """What `model`, which embeds `modalities`, can embed of `source`; nothing is opened but a file of texts.

    Of a folder, with the folders in it, hidden files are left out, and so is what the model does not embed. Repeated
    texts count once, spaces around them not at all. Raises InputError where there is nothing to embed, or pictures and
    sounds both.
    """
    if source.is_dir():
        return _of_folder(source, modalities, model)
    if (reason := why_not_a_file(source)) is not None:
        raise InputError(f"{source}: {reason}; expected {KINDS}")
    kind = _kind_of(source)
    if kind is None:
        embedded = source.suffix.lower() in EMBEDDINGS
        raise InputError(f"{source}: {'embeddings' if embedded else 'no media by its name'}; expected {KINDS}")
    if kind not in modalities:
        raise InputError(f"{source}: {NAMES[kind]}; expected {_listed(modalities)} for {model}")
    return _of_texts(source) if kind == "text" else Collection(kind, {source.name: source}, source.parent)


def _of_folder(folder: Path, modalities: Several[Modality], model: str) -> Collection:
    found: dict[Modality, dict[str, Path]] = {"image": {}, "audio": {}}
    others: Counter[str] = Counter()
    for path in _files(folder):
        kind = _kind_of(path)
        if kind is None or kind == "text":
            others[f"{path.suffix.lower() or 'no suffix'}"] += 1
        elif not _is_utf8(str(path)):
            others["a name that is not UTF-8"] += 1
        else:
            found[kind][path.relative_to(folder).as_posix()] = path
    fitting = [kind for kind in found if found[kind] and kind in modalities]
    if len(fitting) != 1:
        counted = " and ".join(f"{len(items)} {NAMES[kind]}" for kind, items in found.items())
        remedy = "give a folder of one kind" if fitting else f"expected {_listed(set(modalities) - {'text'})}"
        raise InputError(f"{folder} holds {counted}; {remedy} for {model}")
    others += Counter({NAMES[kind]: len(items) for kind, items in found.items() if kind != fitting[0]})
    return Collection(fitting[0], found[fitting[0]], folder, dict(others))


def _files(folder: Path) -> list[Path]:
    """All files below, but for hidden ones, in order of their paths."""
    found = []

    def refuse(error: OSError) -> None:
        raise InputError(
            f"{error.filename}: {(error.strerror or 'cannot be read').lower()}; let it be read, or move it"
        )

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place, name) for name in sorted(names) if not name.startswith(".")]
    return found


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _of_texts(path: Path) -> Collection:
    named, texts = _csv_texts(path) if path.suffix.lower() == ".csv" else (None, read_utf8(path).splitlines())
    texts = [text.strip() for text in texts]
    if not any(texts):
        raise InputError(f"{path}: no text in it; expected one a line, or a column `text` or `caption` of a .csv")
    if named is not None:
        return Collection("text", dict(zip(named, texts, strict=True)), named=True)
    items = {text: text for text in texts if text}
    repeats = sum(map(bool, texts)) - len(items)
    return Collection("text", items, left_out={"repeated texts": repeats} if repeats else {})


def _csv_texts(path: Path) -> tuple[list[str] | None, list[str]]:
    """The column `id`, if there is one, of which none may be empty or stand twice, and the texts."""
    reader = csv.reader(io.StringIO(read_utf8(path), newline=""), strict=True)
    try:
        header, *rows = [row for row in reader if row] or [[]]
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: {one_line(error)}") from None
    columns = [place for place, name in enumerate(header) if name in ("text", "caption")]
    if len(columns) != 1:
        raise InputError(f"{path}:1: expected one column `text` or `caption`, got {','.join(header)!r:.80}")
    if wrong := next((i for i, row in enumerate(rows, 1) if len(row) != len(header)), 0):
        raise InputError(f"{path}: row {wrong}: expected {len(header)} fields, as in the header")
    texts = [row[columns[0]] for row in rows]
    if "id" not in header:
        return None, texts
    ids = [row[header.index("id")].strip() for row in rows]
    if wrong := next((i for i, (name, count) in enumerate(_counted(ids), 1) if not name or count), 0):
        raise InputError(f"{path}: row {wrong}: expected an id that no other row has, got {ids[wrong - 1]!r}")
    return ids, texts


def _counted(names: list[str]) -> Iterator[tuple[str, int]]:
    """Every name with how often it stood before."""
    seen: Counter[str] = Counter()
    for name in names:
        yield name, seen[name]
        seen[name] += 1


def _listed(modalities: Several[Modality]) -> str:
    return " or ".join(NAMES[kind] for kind in NAMES if kind in modalities)
