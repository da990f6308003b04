"""A store on disk that is brought up to date with a folder or a file of texts: only what it lacks is embedded."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from filelock import FileLock, Timeout

from ucl.errors import InputError
from ucl.files import write_text
from ucl.media.base import Encoder, EncoderInfo
from ucl.media.collection import NAMES, Collection
from ucl.media.embed import FAILURES, embed
from ucl.media.store import Made, State, Store, merge_stores, read_info, read_made, read_store, write_store

__all__ = ["Update", "failures_of", "parts_of", "update_store"]

BATCH = 32


@dataclass(frozen=True)
class Update:
    """What was done: rows of the store, how many of them were embedded now, and what could not be."""

    rows: int
    embedded: int
    failures: pd.DataFrame  # id, path, reason


def parts_of(out: Path) -> Path:
    """The hidden folder beside a store that holds what a run has finished until all is done."""
    return out.with_name(f".{out.name[:60]}.parts")


def failures_of(out: Path) -> Path:
    """The list of what could not be embedded, beside the store."""
    return out.with_name(f"{out.stem}.failures.csv")


def update_store(encoder: Encoder, collection: Collection, model: str, out: Path, *, progress: bool = True) -> Update:
    """Embed what `out` lacks of a collection, and write it: a row per item that could be read, in their order.

    Rows that are there stay, unless their file has another size or time of change; rows of files that are gone go.
    What a run that was stopped has finished (`parts_of`) is not embedded again. What cannot be read is listed in
    `failures_of(out)` and tried again the next time. Raises InputError, and leaves `out` as it is, where nothing could
    be read, where `out` is of another model or another folder, or where another run is writing it.
    """
    with _alone(out):  # first: a place that cannot be written to is told at once
        return _update(encoder, collection, model, out, progress)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Two runs would share a folder of finished parts, and the first to end would delete the other's."""
    parts_of(out).mkdir(parents=True, exist_ok=True)
    lock = FileLock(parts_of(out) / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"{out} is being written by another run: wait for its end, or name another file") from None
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):  # what was finished stays
            parts_of(out).rmdir()


def _update(encoder: Encoder, collection: Collection, model: str, out: Path, progress: bool) -> Update:
    states = collection.states()
    kept = _kept(encoder.info, collection, states, out)
    known = set(kept.ids)
    todo = {name: item for name, item in collection.items.items() if name not in known}
    fresh, failures = Store(encoder.info, [], kept.embeddings[:0]), pd.DataFrame(columns=FAILURES)
    if todo:
        fresh, failures = embed(encoder, todo, shards=parts_of(out), batch=BATCH, max_failed=1.0, progress=progress)
    have = merge_stores([kept, fresh])
    if not have.ids:
        shutil.rmtree(parts_of(out), ignore_errors=True)  # to be tried again
        first = failures.iloc[0]
        raise InputError(f"none of {len(todo)} files could be read; first: {first['path']}: {first['reason']}")
    known = set(have.ids)
    store = have.select([name for name in collection.items if name in known])
    write_store(store, out, Made(model, collection.folder, states))
    shutil.rmtree(parts_of(out), ignore_errors=True)
    if len(failures):
        write_text(failures.to_csv(index=False), failures_of(out))
    else:
        failures_of(out).unlink(missing_ok=True)
    return Update(len(store.ids), len(fresh.ids), failures)


def _kept(info: EncoderInfo, collection: Collection, states: Mapping[str, State] | None, out: Path) -> Store:
    """The rows of `out` that are still right."""
    if not out.exists():
        return Store(info, [], torch.empty(0, info.width))
    there, made = read_info(out), read_made(out)
    if there != info:
        other = f"{there.model} with other weights" if there.modality == info.modality else NAMES[there.modality]
        told = there.model if there.model != info.model else other
        raise InputError(f"{out} holds embeddings of {told}; name another file to write to, or delete it")
    if made is None or _place(made.folder) != _place(collection.folder):
        whose = "another program's" if made is None else str(made.folder or "texts")
        raise InputError(f"{out} holds embeddings of {whose}; name another file to write to, or delete it")
    store, was = read_store(out), made.states or {}
    wanted = states or {text: text for text in collection.items}  # a text without a name is its own
    return store.select([x for x in store.ids if x in wanted and was.get(x, x) == wanted[x]])


def _place(folder: Path | None) -> Path | None:
    return folder and folder.resolve()
