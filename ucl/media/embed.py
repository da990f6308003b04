"""Embedding many items: decoding overlaps the model, finished shards stay, an unreadable item does not stop the run.

A shard is a Parquet file of `id`, `embedding` (zeros where the item failed) and `reason`; its metadata holds the
encoder's facts and a digest of its items, so that a second run keeps exactly the shards that are still right.
"""

import hashlib
import json
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from ucl.core.encoder_info import KEY
from ucl.errors import InputError
from ucl.files import replacing
from ucl.media.base import Encoder, EncoderInfo, MediaError
from ucl.media.collection import state_of
from ucl.media.store import Store, merge_stores

__all__ = ["FAILURES", "embed", "encode_batches"]

FAILURES = ["id", "path", "reason"]
BATCHES_AHEAD = 2
NOT_FINITE = "the model makes NaN or infinity of it"
SHARD = 32  # items of a shard, or one batch, if that is more: what a killed run loses

Failure = tuple[str, str, str]  # id, path, reason


def embed(
    encoder: Encoder,
    items: Mapping[str, Any],
    *,
    shards: str | Path,
    batch: int,
    workers: int = 2,
    max_failed: float = 0.05,
    progress: bool = True,
) -> tuple[Store, pd.DataFrame]:
    """Embed `items` (id -> item) and return the store with the table of failures (id, path, reason).

    `shards` is a folder for the finished parts: after an interruption a second call goes on from there. Raises
    `InputError` as soon as more than the share `max_failed` of all items has failed.
    """
    label = f"{encoder.info.model} {encoder.info.modality}"
    if not items:
        raise InputError(f"{label}: no items to embed; is the manifest empty?")
    chunks = {Path(shards) / f"{i:05d}.parquet": chunk for i, chunk in enumerate(_chunks(items, batch))}
    todo = [path for path, chunk in chunks.items() if not _finished(path, encoder.info, chunk)]
    batches = [part for path in todo for part in _split(list(chunks[path].values()), batch)]
    stream = encode_batches(encoder, batches, workers=workers)
    parts: list[Store] = []
    failures: list[Failure] = []
    done = sum(len(chunk) for path, chunk in chunks.items() if path not in todo)  # apart from the rate, and so from
    bar = tqdm(total=len(items), initial=done, desc=label, unit="item", disable=not progress)  # the time that is left
    with bar, closing(stream):
        for path, chunk in chunks.items():
            if path in todo:
                reasons: list[str | None] = []
                rows: list[Tensor] = []
                while len(reasons) < len(chunk):
                    why, embedded = next(stream)
                    reasons, rows = [*reasons, *why], [*rows, embedded]
                    bar.update(len(why))
                    _stop_at(max_failed, len(items), [*failures, *_failed(chunk, reasons)])
                _write_shard(path, encoder.info, chunk, reasons, torch.cat(rows))
            part, reasons = _read_shard(path, encoder.info)
            parts.append(part)
            failures += _failed(chunk, reasons)
    _stop_at(max_failed, len(items), failures)
    return merge_stores(parts), pd.DataFrame(failures, columns=FAILURES)


def encode_batches(
    encoder: Encoder, batches: Sequence[Sequence[Any]], *, workers: int
) -> Generator[tuple[list[str | None], Float[Tensor, "m d"]], None, None]:
    """Per batch: the reason of failure of each item (None where it worked) and the rows of those that worked.

    While one batch is in the model, the next ones are read and decoded in `workers` threads.
    """
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[list[Future[Any]]] = deque()
        try:
            for ahead in range(len(batches) + BATCHES_AHEAD):
                if ahead < len(batches):
                    pending.append([pool.submit(_attempt, encoder, item) for item in batches[ahead]])
                if ahead >= BATCHES_AHEAD:
                    yield _forward(encoder, [future.result() for future in pending.popleft()])
        finally:
            for future in (future for futures in pending for future in futures):
                future.cancel()


def _split(items: list[Any], size: int) -> list[list[Any]]:
    return [items[i : i + size] for i in range(0, len(items), size)]


def _chunks(items: Mapping[str, Any], batch: int) -> list[dict[str, Any]]:
    """The items of each shard: a whole number of batches."""
    return [dict(part) for part in _split(list(items.items()), max(SHARD // batch, 1) * batch)]


def _attempt(encoder: Encoder, item: Any) -> Any:
    try:
        return encoder.prepare(item)
    except MediaError as error:
        return error


def _forward(encoder: Encoder, prepared: list[Any]) -> tuple[list[str | None], Float[Tensor, "m d"]]:
    good = [item for item in prepared if not isinstance(item, MediaError)]
    with torch.no_grad():
        rows = encoder.forward(good) if good else torch.empty(0, encoder.info.width)
    finite = torch.isfinite(rows).all(1)
    whys = iter([None if fine else NOT_FINITE for fine in finite.tolist()])
    return [item.reason if isinstance(item, MediaError) else next(whys) for item in prepared], rows[finite]


def _failed(chunk: Mapping[str, Any], reasons: Sequence[str | None]) -> list[Failure]:
    """The failures among the first items of a chunk."""
    told = zip(chunk.items(), reasons, strict=False)
    return [(name, str(item), reason) for (name, item), reason in told if reason is not None]


def _stop_at(max_failed: float, total: int, failures: Sequence[Failure]) -> None:
    if len(failures) > max_failed * total + 1e-9:
        _, path, reason = failures[0]
        raise InputError(
            f"{len(failures)} of {total} items could not be read, more than the allowed share of {max_failed:g}; "
            f"first: {path}: {reason}"
        )


def _write_shard(
    path: Path, info: EncoderInfo, chunk: Mapping[str, Any], reasons: list[str | None], rows: Float[Tensor, "m d"]
) -> None:
    values = np.zeros((len(chunk), info.width), np.float32)
    values[[reason is None for reason in reasons]] = rows.cpu().numpy()
    column = pa.FixedSizeListArray.from_arrays(values.reshape(-1), info.width)
    table = pa.table({"id": list(chunk), "embedding": column, "reason": pa.array(reasons, pa.string())})
    with replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata(_facts(info, chunk)), temporary)


def _finished(path: Path, info: EncoderInfo, chunk: Mapping[str, Any]) -> bool:
    """Whether this shard is there, of these items and this encoder."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException):  # absent, or damaged: made again
        return False
    return all(metadata.get(key.encode()) == value.encode() for key, value in _facts(info, chunk).items())


def _read_shard(path: Path, info: EncoderInfo) -> tuple[Store, list[str | None]]:
    table = pq.read_table(path, partitioning=None)  # a folder named like `id=3` is no column
    good = table.filter(pa.compute.is_null(table["reason"])).combine_chunks()
    values = good["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    embeddings = torch.from_numpy(np.array(values, np.float32)).reshape(-1, info.width)
    return Store(info, good["id"].to_pylist(), embeddings), table["reason"].to_pylist()


def _facts(info: EncoderInfo, chunk: Mapping[str, Any]) -> dict[str, str]:
    """What a shard is made of: the encoder, and the items; a file also by its size and time of change."""
    digest = hashlib.sha256()
    for name, item in chunk.items():
        digest.update(json.dumps([name, str(item), *(_state(item) or ())]).encode())
    return {KEY: json.dumps(asdict(info)), "ucl.items": digest.hexdigest()}


def _state(item: Any) -> tuple[int, int] | None:
    return state_of(item) if isinstance(item, Path) else None  # why a file cannot be read is told by the encoder
