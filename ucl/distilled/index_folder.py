"""A folder that holds an index, or one shard of it: vectors, candidates, ids, a survey, and a description of them.

`index.json` is written last and holds every file's digest; a shard's has a format of its own, so that it is never taken
for the whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ucl.core.readers import Rows, as_rows
from ucl.distilled.reranking import Survey
from ucl.distilled.shards import Shard
from ucl.errors import InputError
from ucl.files import digest, read_json, replacing, write_json

__all__ = ["OWN", "STUDENT", "IndexPart", "describe", "folders_of", "read_part", "shard_in", "write_part"]

FORMAT, SHARD_FORMAT = "ucl-index-2", "ucl-index-shard-1"
DESCRIPTION, STUDENT = "index.json", "student.safetensors"
FILES = ("vectors.faiss", "candidates.npy", STUDENT, "ids.json", "survey.npy")
OWN = {DESCRIPTION, *FILES}  # all that the folder holds


@dataclass(frozen=True)
class IndexPart:
    """What an index, or one shard of it, holds of its candidates [k, d2]; `vectors` is FAISS's."""

    vectors: Any
    candidates: Rows
    ids: Sequence[Any] | None
    survey: Survey | None
    shard: Shard | None  # None: these are all candidates


def write_part(part: IndexPart, folder: Path) -> None:
    """Write a folder in which the student lies already."""
    import faiss

    with replacing(folder / "vectors.faiss") as temporary:
        faiss.write_index(part.vectors, str(temporary))
    candidates = part.candidates.read(0, len(part.candidates)).detach().cpu().numpy()
    survey = np.zeros((0, 2)) if part.survey is None else part.survey.values.read(0, len(candidates)).numpy()
    for name, values in (("candidates.npy", candidates), ("survey.npy", survey)):
        with replacing(folder / name) as temporary:
            np.save(temporary, values, allow_pickle=False)
    write_json(part.ids, folder / "ids.json")
    about: dict[str, Any] = {"format": FORMAT if part.shard is None else SHARD_FORMAT}
    about |= {} if part.shard is None else {"shard": asdict(part.shard)}
    about |= {"survey": None if part.survey is None else part.survey.bridge}
    write_json(about | {"files": {name: digest(folder / name) for name in FILES}}, folder / DESCRIPTION)


def folders_of(given: Path) -> list[Path]:
    """The folder of an index itself, or those of the shards that lie in it; at least one."""
    if (given / DESCRIPTION).is_file():
        return [given]
    inside = sorted(file.parent for file in given.glob(f"*/{DESCRIPTION}"))
    if not inside:
        raise InputError(f"no index in {given}: {DESCRIPTION} is missing; make it with `ucl index build`")
    return inside


def describe(folder: Path) -> Mapping[str, Any]:
    """`index.json`, if it says what it must."""
    try:
        about = read_json(folder / DESCRIPTION)
        sound = about["format"] == (SHARD_FORMAT if "shard" in about else FORMAT)
        sound = sound and set(about["files"]) == set(FILES) and "survey" in about
        shard_in(about)
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise InputError(f"{folder / DESCRIPTION}: expected format {FORMAT}; build the index again")
    return dict(about)


def shard_in(about: Mapping[str, Any]) -> Shard | None:
    """Which shard a description is of; None for all candidates."""
    return Shard(**about["shard"]) if "shard" in about else None


def read_part(folder: Path, about: Mapping[str, Any], verify: bool) -> IndexPart:
    """What `write_part` wrote, memory-mapped; with `verify` every file is compared with its digest."""
    import faiss

    for name, expected in about["files"].items():
        if not (folder / name).is_file() or (verify and digest(folder / name) != expected):
            raise InputError(f"{folder / name} is missing or damaged: build the index again")
    vectors = faiss.read_index(str(folder / "vectors.faiss"), faiss.IO_FLAG_MMAP_IFC)
    candidates, survey = as_rows(folder / "candidates.npy", "candidates"), None
    if about["survey"] is not None:
        survey = Survey(as_rows(folder / "survey.npy", "survey"), about["survey"])
    shard = shard_in(about)
    start, stop = (0, len(candidates)) if shard is None else shard.range
    if vectors.ntotal != len(candidates) or len(candidates) != stop - start:
        raise InputError(f"{folder} does not add up: its files hold other rows than it says; build the index again")
    return IndexPart(vectors, candidates, read_json(folder / "ids.json"), survey, shard)
