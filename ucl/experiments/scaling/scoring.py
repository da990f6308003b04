"""TODO experiments.scaling.scoring."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
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
from ucl.core.result import BridgeResult, merge
from ucl.experiments.scaling.config import ScalingRun
from ucl.experiments.scaling.trials import stream, trial_rows
from ucl.statistics.retrieval import recall_at_k

__all__ = ["bank_sizes", "score_model"]

SHOWN = 32  # queries and candidates whose effective sample size and standard error are followed


def bank_sizes(largest: int, count: int) -> list[int]:
    """About `count` log-spaced bank sizes from 1 to `largest`."""
    return sorted({round(size) for size in np.geomspace(1, largest, count)})


def score_model(params: ScalingRun, embeddings: Mapping[str, Tensor], progress: bool = True) -> pd.DataFrame:
    """All trials, banks and sizes: a table trial, method, samples, recall_at_1, effective_samples, standard_error.

    Methods are `BANKS` with their number of samples, and `direct`, `closed_form` and `ground_truth` with none. The last
    two columns are medians over a part of the grid, for `BANKS` alone.
    """
    rows = trial_rows(len(embeddings["a"]), params)
    tables = []
    for trial in tqdm(range(params.trials), "scaling", unit="trial", disable=not progress):
        a, c = embeddings["a"][rows[trial][: params.queries]], embeddings["c"][rows[trial]]
        exact = embeddings["exact"][trial] if "exact" in embeddings else None
        found = [*_references(embeddings, a, c, exact), *_monte_carlo(params, embeddings, a, c, trial)]
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


def _monte_carlo(
    params: ScalingRun, e: Mapping[str, Tensor], a: Tensor, c: Tensor, trial: int
) -> Iterator[dict[str, Any]]:
    ab, bc = _critics(e)
    for kind, bank in (("uniform", _uniform(params, e, trial)), ("real", _real(params, e, trial))):
        cuts = [0, *bank_sizes(min(params.largest, len(bank)), params.sizes)]
        whole: BridgeResult | None = None
        part: BridgeResult | None = None
        for low, high in pairwise(cuts):  # banks are nested: each size adds a shard to the one before
            bridge = Bridge(ab, bc, bank.between(low, high), normalize=False)
            new = bridge.score(a, c, progress=False)
            whole = new if whole is None else merge([whole, new])
            few = bridge.score(a[:SHOWN], c[:SHOWN], progress=False)
            part = few if part is None else merge([part, few])
            yield _row(kind, high, whole, part, normalize=False)
            if kind == "real":
                yield _row("real_normalized", high, whole, part, normalize=True)


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
    random = stream(params, "uniform", trial)
    sides = [torch.randn(params.largest, e[n].shape[1], generator=random) for n in ("b_for_a", "b_for_c") if n in e]
    return Bank(*sides)
