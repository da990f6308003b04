"""Recall of all trials as the bank grows; the bank in one piece, or in shards that were scored by other jobs."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.core.closed_form import uniform_log_ratio
from ucl.core.critics import Cosine
from ucl.core.prepared import shard_range
from ucl.core.result import BridgeResult, merge
from ucl.experiments.scaling.config import ScalingRun
from ucl.experiments.scaling.trials import stream, trial_rows
from ucl.statistics.retrieval import recall_at_k

__all__ = ["bank_sizes", "score_model", "score_shard"]

SHOWN = 32  # queries and candidates whose effective sample size and standard error are followed


def bank_sizes(largest: int, count: int) -> list[int]:
    """About `count` log-spaced bank sizes from 1 to `largest`."""
    return sorted({round(size) for size in np.geomspace(1, largest, count)})


def score_model(
    params: ScalingRun, embeddings: Mapping[str, Tensor], progress: bool = True, shards: Sequence[str | Path] = ()
) -> pd.DataFrame:
    """All trials, banks and sizes: a table trial, method, samples, recall_at_1, effective_samples, standard_error.

    Methods are `BANKS` with their number of samples, and `direct`, `closed_form` and `ground_truth` with none. The last
    two columns are medians over a part of the grid, for `BANKS` alone.
    """
    rows = trial_rows(len(embeddings["a"]), params)
    tables = []
    for trial in tqdm(range(params.trials), "scaling", unit="trial", disable=not progress):
        a, c = embeddings["a"][rows[trial][: params.queries]], embeddings["c"][rows[trial]]
        exact = embeddings["exact"][trial] if "exact" in embeddings else None
        grown = _merged(params, embeddings, trial, shards) if shards else _grown(params, embeddings, a, c, trial)
        found = [*_references(embeddings, a, c, exact), *(row for bank in grown for row in _rows(*bank))]
        tables.append(pd.DataFrame(found).assign(trial=trial))
    return pd.concat(tables, ignore_index=True)


def _references(e: Mapping[str, Tensor], a: Tensor, c: Tensor, exact: Tensor | None) -> Iterator[dict[str, Any]]:
    if "b_for_c" not in e:
        ab, bc = _critics(e)
        yield {
            "method": "direct",
            "recall_at_1": _recall(Bridge(ab, bc, Bank(e["b_for_a"][:1]), normalize=False).direct(a, c)),
        }
        closed = uniform_log_ratio(a, c, float(ab.scale), float(bc.scale))
        yield {"method": "closed_form", "recall_at_1": _recall(closed)}
    if exact is not None:
        yield {"method": "ground_truth", "recall_at_1": _recall(exact)}


Grown = tuple[str, int, BridgeResult, BridgeResult]  # a kind of bank, its samples, the whole grid and the shown part


def score_shard(
    params: ScalingRun, embeddings: Mapping[str, Tensor], shard: tuple[int, int], folder: Path, progress: bool = True
) -> None:
    """One shard (its number from 0, and how many there are) of the banks of all trials, as files for `score_model`.

    A file holds the sums from the shard's first sample to the end of one bank size, or to the end of the shard.
    """
    rows = trial_rows(len(embeddings["a"]), params)
    for trial in tqdm(range(params.trials), "scaling", unit="trial", disable=not progress):
        a, c = embeddings["a"][rows[trial][: params.queries]], embeddings["c"][rows[trial]]
        for kind, samples, whole, part in _grown(params, embeddings, a, c, trial, shard):
            whole.save(_file(folder, trial, kind, samples, "whole"), errors=False)
            part.with_normalization(True).save(_file(folder, trial, kind, samples, "shown"))


def _file(folder: str | Path, trial: int, kind: str, samples: int, grid: str) -> Path:
    return Path(folder) / f"{trial}.{kind}.{samples}.{grid}.safetensors"


def _cuts(params: ScalingRun, samples: int, shard: tuple[int, int]) -> list[int]:
    """Where a shard begins, the bank sizes inside it, and where it ends."""
    sizes = bank_sizes(min(params.largest, samples), params.sizes)
    low, high = shard_range(sizes[-1], *shard)
    return [low, *(size for size in sizes if low < size < high), high]


def _grown(
    params: ScalingRun, e: Mapping[str, Tensor], a: Tensor, c: Tensor, trial: int, shard: tuple[int, int] = (0, 1)
) -> Iterator[Grown]:
    ab, bc = _critics(e)
    for kind, bank in (("uniform", _uniform(params, e, trial)), ("real", _real(params, e, trial))):
        whole: BridgeResult | None = None
        part: BridgeResult | None = None
        for low, high in pairwise(_cuts(params, len(bank), shard)):  # banks are nested: each adds to the one before
            bridge = Bridge(ab, bc, bank.between(low, high), normalize=False)
            new = bridge.score(a, c, progress=False)
            whole = new if whole is None else merge([whole, new])
            few = bridge.score(a[:SHOWN], c[:SHOWN], progress=False)
            part = few if part is None else merge([part, few])
            yield kind, high, whole, part


def _merged(params: ScalingRun, e: Mapping[str, Tensor], trial: int, shards: Sequence[str | Path]) -> Iterator[Grown]:
    """The same from the files of all shards: to each goes what the shards before it hold."""
    for kind, samples in (("uniform", params.largest), ("real", len(e["b_for_a"]))):
        sizes, before = set(bank_sizes(min(params.largest, samples), params.sizes)), list[list[BridgeResult]]()
        for index, folder in enumerate(shards):
            for size in _cuts(params, samples, (index, len(shards)))[1:]:
                own = [BridgeResult.load(_file(folder, trial, kind, size, grid)) for grid in ("whole", "shown")]
                found = [merge([*(pair[i] for pair in before), one]) for i, one in enumerate(own)]
                if size in sizes:
                    yield kind, size, found[0], found[1]
            before = [found]


def _rows(kind: str, samples: int, whole: BridgeResult, part: BridgeResult) -> Iterator[dict[str, Any]]:
    yield _row(kind, samples, whole, part, normalize=False)
    if kind == "real":
        yield _row("real_normalized", samples, whole, part, normalize=True)


def _row(method: str, samples: int, whole: BridgeResult, part: BridgeResult, normalize: bool) -> dict[str, Any]:
    scores = whole.with_normalization(normalize).scores
    shown = part.with_normalization(normalize)
    return {
        "method": method,
        "samples": samples,
        "recall_at_1": _recall(scores),
        "effective_samples": float(shown.effective_sample_size.median()),
        "standard_error": float(shown.standard_error.median()),
    }


def _critics(e: Mapping[str, Tensor]) -> tuple[Cosine, Cosine]:
    return Cosine(float(e["scale_ab"])), Cosine(float(e["scale_bc"]))


def _recall(scores: Tensor) -> float:
    """Recall@1 of the first rows' own candidates among all."""
    return float(recall_at_k(scores.double(), 1))


def _real(params: ScalingRun, e: Mapping[str, Tensor], trial: int) -> Bank:
    order = torch.randperm(len(e["b_for_a"]), generator=stream(params, "order", trial))
    shared = "b_for_c" not in e
    return Bank(e["b_for_a"][order]) if shared else Bank(e["b_for_a"][order], e["b_for_c"][order])


def _uniform(params: ScalingRun, e: Mapping[str, Tensor], trial: int) -> Bank:
    """Samples uniform on the sphere; for two spaces, one such sample in each (nothing ties them together)."""
    random, spaces = stream(params, "uniform", trial), [e[name] for name in ("b_for_a", "b_for_c") if name in e]
    return Bank(*(torch.randn(params.largest, own.shape[1], generator=random).to(own.device) for own in spaces))
