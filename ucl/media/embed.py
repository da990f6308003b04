"""Embedding many items: decoding overlaps the model, finished shards stay, an unreadable item does not stop the run.

A shard is a Parquet file of `id`, `embedding` (zeros where the item failed) and `reason`; its metadata holds the
encoder's facts and a digest of its items, so that a second run keeps exactly the shards that are still right.
"""

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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

from ucl.errors import InputError
from ucl.files import replacing
from ucl.media.base import Encoder, EncoderInfo, MediaError
from ucl.media.store import Store, merge_stores

__all__ = ["embed", "encode_batches"]

FAILURES = ["id", "path", "reason"]
BATCHES_AHEAD = 2


def embed(
    encoder: Encoder,
    items: Mapping[str, Any],
    *,
    shards: str | Path,
    batch: int,
    shard_size: int = 4096,
    workers: int = 2,
    max_failed: float = 0.05,
    progress: bool = True,
) -> tuple[Store, pd.DataFrame]:
    """Embed `items` (id -> item) and return the store with the table of failures (id, path, reason).

    `shards` is a folder for the finished parts: after an interruption a second call goes on from there. Raises
    `InputError` as soon as more than the share `max_failed` of all items has failed.
    """
    names = list(items)
    parts, failures = [], pd.DataFrame(columns=FAILURES)
    label = f"{encoder.info.model} {encoder.info.modality}"
    with tqdm(total=len(names), desc=label, unit="item", disable=not progress) as bar:
        for start in range(0, len(names), shard_size):
            chunk = {name: items[name] for name in names[start : start + shard_size]}
            path = Path(shards) / f"{start // shard_size:05d}.parquet"
            if not _finished(path, encoder.info, chunk):
                _write_shard(path, encoder, chunk, batch, workers, bar, _allowed(len(names), max_failed, failures))
            else:
                bar.update(len(chunk))
            part, failed = _read_shard(path, encoder.info, chunk)
            parts.append(part)
            failures = pd.concat([failures, failed], ignore_index=True) if len(failed) else failures
            _allowed(len(names), max_failed, failures)
    if not parts:
        raise InputError(f"{label}: no items to embed; is the manifest empty?")
    return merge_stores(parts), failures


def encode_batches(
    encoder: Encoder, items: Sequence[Any], *, batch: int, workers: int
) -> Iterator[tuple[list[str | None], Float[Tensor, "m d"]]]:
    """Per batch: the reason of failure of each item (None where it worked) and the rows of those that worked.

    While one batch is in the model, the next ones are read and decoded in `workers` threads.
    """
    batches = [items[i : i + batch] for i in range(0, len(items), batch)]
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


def _attempt(encoder: Encoder, item: Any) -> Any:
    try:
        return encoder.prepare(item)
    except MediaError as error:
        return error


def _forward(encoder: Encoder, prepared: list[Any]) -> tuple[list[str | None], Float[Tensor, "m d"]]:
    reasons = [item.reason if isinstance(item, MediaError) else None for item in prepared]
    good = [item for item in prepared if not isinstance(item, MediaError)]
    with torch.no_grad():
        rows = encoder.forward(good) if good else torch.empty(0, encoder.info.width)
    return reasons, rows


def _allowed(total: int, max_failed: float, failures: pd.DataFrame) -> int:
    """How many more items may fail; raises where it is already too many."""
    left = int(max_failed * total) - len(failures)
    if left < 0:
        first = failures.iloc[0]
        raise InputError(
            f"{len(failures)} of {total} items could not be read, more than the allowed share of {max_failed:g}; "
            f"first: {first['path']}: {first['reason']}"
        )
    return left


def _write_shard(
    path: Path, encoder: Encoder, chunk: Mapping[str, Any], batch: int, workers: int, bar: tqdm, allowed: int
) -> None:
    reasons: list[str | None] = []
    rows = []
    for why, embedded in encode_batches(encoder, list(chunk.values()), batch=batch, workers=workers):
        reasons += why
        rows.append(embedded)
        bar.update(len(why))
        if sum(reason is not None for reason in reasons) > allowed:
            break  # the shard is written as far as it went; `embed` reads it and tells the first failure
    names = list(chunk)[: len(reasons)]
    failed = np.array([reason is not None for reason in reasons])
    values = np.zeros((len(names), encoder.info.width), np.float32)
    values[~failed] = torch.cat(rows).numpy()
    column = pa.FixedSizeListArray.from_arrays(values.reshape(-1), encoder.info.width)
    table = pa.table({"id": names, "embedding": column, "reason": pa.array(reasons, pa.string())})
    facts = {"ucl.encoder": json.dumps(asdict(encoder.info)), "ucl.items": _items_digest(chunk, len(names))}
    with replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata(facts), temporary)


def _finished(path: Path, info: EncoderInfo, chunk: Mapping[str, Any]) -> bool:
    """Whether this shard is there, of these items and this encoder."""
    if not path.exists():
        return False
    metadata = pq.read_schema(path).metadata or {}
    same_encoder = metadata.get(b"ucl.encoder") == json.dumps(asdict(info)).encode()
    return same_encoder and metadata.get(b"ucl.items") == _items_digest(chunk, len(chunk)).encode()


def _read_shard(path: Path, info: EncoderInfo, chunk: Mapping[str, Any]) -> tuple[Store, pd.DataFrame]:
    table = pq.read_table(path)
    good = table.filter(pa.compute.is_null(table["reason"])).combine_chunks()
    bad = table.filter(pa.compute.is_valid(table["reason"])).select(["id", "reason"]).to_pandas()
    bad.insert(1, "path", [str(chunk[name]) for name in bad["id"]])
    values = good["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    embeddings = torch.from_numpy(np.array(values, np.float32)).reshape(-1, info.width)
    return Store(info, good["id"].to_pylist(), embeddings), bad[FAILURES]


def _items_digest(chunk: Mapping[str, Any], count: int) -> str:
    """Ids and items; a file also by its size and its time of change, so that a replaced file is embedded again."""
    digest = hashlib.sha256(str(count).encode())
    for name, item in chunk.items():
        state = (item.stat().st_size, item.stat().st_mtime_ns) if isinstance(item, Path) and item.exists() else ()
        digest.update(json.dumps([name, str(item), *state]).encode())
    return digest.hexdigest()
