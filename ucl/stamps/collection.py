"""The stamps of a folder, as Tux Paint lays them out: one `.txt` of captions per stamp, and its media beside it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ucl.errors import InputError
from ucl.media.requirements import missing_stamps
from ucl.media.text import read_utf8

__all__ = ["ENGLISH", "Stamp", "read_captions", "read_stamps"]

ENGLISH = "en"
CAPTION = re.compile(r"([A-Za-z_@]+)\.utf8=(.*)")
SPOKEN = re.compile(r"_desc(?:_([a-z]{2}(?:_[A-Z]{2})?))?(?:\.ogg|\.wav)+")  # one file ends in .ogg.ogg


@dataclass(frozen=True)
class Stamp:
    """One stamp: its name (the path below the collection's folder, without suffix) and what there is of it.

    `captions` and `speech` go by language (`en`, `fr`, `pt_BR`, ...); speech is somebody reading the caption aloud.
    """

    name: str
    captions: Mapping[str, str]
    image: Path | None
    speech: Mapping[str, Path]
    sound: Path | None


def read_stamps(folder: str | Path) -> list[Stamp]:
    """All stamps below a folder, in the order of their names. A PNG is taken before an SVG.

    Raises InputError where the folder is missing (with how to get it) or where nothing in it is a stamp.
    """
    folder = Path(folder)
    if lines := missing_stamps(folder):
        raise InputError(lines[0])
    neighbours: dict[Path, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        neighbours.setdefault(path.parent, []).append(path)
    captions = [path for paths in neighbours.values() for path in paths if path.suffix == ".txt"]
    if not captions:
        raise InputError(f"{folder}: expected stamps (name.txt, name.png, ...), found no .txt file below it")
    stamps = [_stamp(folder, path, neighbours[path.parent]) for path in captions]
    return sorted(stamps, key=lambda stamp: stamp.name)


def read_captions(path: str | Path) -> dict[str, str]:
    """Captions by language: English in the first line, then lines `xx.utf8=caption`; empty ones are left out."""
    first, *others = read_utf8(path).splitlines() or [""]
    found = {ENGLISH: first.strip()}
    for number, line in enumerate(others, 2):
        if not line.strip():
            continue
        if not (match := CAPTION.fullmatch(line.strip())):
            raise InputError(f"{path}:{number}: expected language.utf8=caption, got {line!r:.60}")
        found[match[1]] = match[2].strip()
    return {language: text for language, text in found.items() if text}


def _stamp(folder: Path, captions: Path, neighbours: Sequence[Path]) -> Stamp:
    own = {path.name: path for path in neighbours if path.name.startswith(captions.stem)}

    def first(*suffixes: str) -> Path | None:
        return next((own[captions.stem + each] for each in suffixes if captions.stem + each in own), None)

    name = captions.relative_to(folder).with_name(captions.stem).as_posix()
    return Stamp(
        name, read_captions(captions), first(".png", ".svg"), _spoken(captions.stem, own), first(".ogg", ".wav")
    )


def _spoken(stem: str, own: Mapping[str, Path]) -> dict[str, Path]:
    """Spoken captions by language: `<stem>_desc.ogg` is English, `<stem>_desc_fr.ogg` French."""
    found: dict[str, Path] = {}
    for name, path in own.items():
        if match := SPOKEN.fullmatch(name.removeprefix(stem)):
            found.setdefault(match[1] or ENGLISH, path)
    return found
