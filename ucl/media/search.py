"""Media as queries: embedded by the model that the bank names, and what is shown of an answer beside its score."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ucl.core.bridge import Bridge
from ucl.core.encoder_info import KEY, Modality, parse_info
from ucl.core.readers import Rows, as_rows
from ucl.core.retrieval import Retrieval
from ucl.errors import InputError
from ucl.media.base import MediaError
from ucl.media.collection import NAMES, read_collection, state_of
from ucl.media.embed import encode_batches
from ucl.media.encoders import load_encoders
from ucl.media.model_name import ModelName
from ucl.media.store import Made, parse_made, read_made

__all__ = ["Answers", "Item", "Queries", "Reasons", "answer", "embed_queries"]

Reasons = list[tuple[str, float]]  # samples of the bank and their shares of a score, the largest first
REASONS = 3  # that are given for an answer
BATCH = 16


@dataclass(frozen=True)
class Item:
    """A query or an answer as it can be shown: its file or its text, and a note on what is wrong with that."""

    name: str
    modality: Modality | None
    path: Path | None = None
    note: str = ""
    text: str = ""


@dataclass(frozen=True)
class Queries:
    """Queries that could be read, as rows that say which encoder made them; and why others could not."""

    items: list[Item]
    rows: Rows
    failures: list[tuple[Path, str]]


def embed_queries(source: Path, bank: Rows, device: torch.device) -> Queries:
    """Embed a file, the files of a folder, or texts by the model that embedded `bank`, B as the A-B model has it.

    Raises InputError where the bank does not name its model, where the source is nothing that this model compares with
    the bank, or where nothing of it can be read.
    """
    where = bank.path or bank.name
    made, info = parse_made(bank.metadata, where), parse_info(bank.metadata, where)
    if made is None or info is None:
        raise InputError(f"{where} does not say which model embeds {source}: embed the bank's texts by `ucl embed`")
    name = ModelName.parse(made.model)
    encoders = load_encoders(name.library, name.model, name.weights, device)
    collection = read_collection(source, encoders.keys() - {info.modality}, f"queries of {made.model}")
    encoder, items = encoders[collection.modality], collection.items
    whys: list[str | None] = []
    found: list[Tensor] = []
    batches = [list(items.values())[i : i + BATCH] for i in range(0, len(items), BATCH)]
    for reasons_, rows in encode_batches(encoder, batches, workers=2):
        whys, found = [*whys, *reasons_], [*found, rows]
    told = list(zip(items.items(), whys, strict=True))
    failures = [(item, why) for (_, item), why in told if why is not None]
    if len(failures) == len(items):
        raise MediaError(*failures[0])
    matrix = as_rows(torch.cat(found), "queries")
    matrix.path, matrix.metadata = str(source), {KEY: json.dumps(asdict(encoder.info))}
    good = [_query(key, collection.modality, item) for (key, item), why in told if why is None]
    return Queries(good, matrix, failures)


def _query(name: str, modality: Modality, item: Any) -> Item:
    return Item(name, modality, item) if isinstance(item, Path) else Item(name, modality, text=item)


@dataclass(frozen=True)
class Answers:
    """The best candidates of every query, best first, and the samples of the bank that carry each."""

    queries: list[Item]
    found: Retrieval
    items: list[list[Item]]
    because: list[list[Reasons]]
    candidates: int
    bank: str  # how many of what


def answer(queries: Queries, bridge: Bridge, candidates: Rows, k: int, device: torch.device, progress: bool) -> Answers:
    """Retrieve the best `k` (all, if there are fewer) by scores that are computed on `device`."""
    rows, those = (side.read(0, len(side)).to(device) for side in (queries.rows, candidates))
    found = bridge.retrieve(rows, those, k=min(k, len(those)), progress=progress).cpu()
    best, item_at = found.indices.tolist(), _items(candidates)
    items = [[item_at(j) for j in row] for row in best]
    because = [_reasons(bridge, query, those[row]) for query, row in zip(rows, best, strict=True)]
    info = parse_info(bridge.bank.for_a.metadata, bridge.bank.for_a.name)
    bank = f"{len(bridge.bank):,} {NAMES[info.modality] if info else 'samples'}"
    return Answers(queries.items, found, items, because, len(those), bank)


def _reasons(bridge: Bridge, query: Tensor, candidates: Tensor) -> list[Reasons]:
    """Those of each candidate of a query."""
    told = bridge.explain_each(query, candidates, min(REASONS, len(bridge.bank)))
    return [list(zip(map(str, one.names), one.shares, strict=True)) for one in told]


def _items(candidates: Rows) -> Callable[[int], Item]:
    """From a row of the candidates' file to what can be shown of it."""
    ids = candidates.ids()
    info = parse_info(candidates.metadata, candidates.path)
    modality, made = (info.modality, read_made(candidates.path)) if info else (None, None)
    return lambda j: _item(str(j if ids is None else ids[j].as_py()), modality, made)


def _item(name: str, modality: Modality | None, made: Made | None) -> Item:
    """A candidate as its store knows it: where its file lies, and whether that is still what was embedded."""
    inside = ".." not in Path(name).parts and not Path(name).is_absolute()  # a store says nothing of files elsewhere
    if made is None or made.folder is None or made.states is None or not inside:
        return Item(name, modality, text=_text(name, made) if modality == "text" else "")
    path = made.folder / name
    state = state_of(path)
    if state is None:
        return Item(name, modality, None, "the file is gone")
    changed = state != made.states.get(name)
    return Item(name, modality, path, "the file has changed since it was embedded" if changed else "")


def _text(name: str, made: Made | None) -> str:
    return str(made.states[name]) if made is not None and made.states is not None else name
