"""Experiment `scaling`: Monte Carlo recall as the bank grows from one sample to 500,000 (appendix C.1, Fig. 5).

An embedding file is all that is needed of a model: safetensors with `a` [N, d1], `c` [N, d2] (row i of one belongs to
row i of the other), `b_for_a` [M, d1], `b_for_c` [M, d2] (left out where both models share one space), the critics'
scales `scale_ab` and `scale_bc`, and, where it is known, `exact` [trials, queries, candidates]: the log ratio of the
pairs that `trial_rows` picks.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import t
from torch import Tensor
from tqdm import tqdm

from ucl.bank import Bank
from ucl.bridge import Bridge
from ucl.closed_form import uniform_log_ratio
from ucl.config import Scaling, ScalingRun
from ucl.critics import Cosine
from ucl.errors import InputError
from ucl.gaussian import GaussianWorld
from ucl.result import BridgeResult, merge
from ucl.runtime import generator
from ucl.synthetic import build_model, sample, train_model, world_of

__all__ = ["BANKS", "bank_sizes", "embed_world", "fit_slope", "score_model", "summarise", "tabulate", "trial_rows"]

BANKS = ("uniform", "real", "real_normalized")  # on the sphere; samples of B; the same, normalised per anchor
CHANNELS = ("pool", "bank", "uniform", "order", "trial")  # purposes of random streams, after those of `synthetic`
DECADE = 10.5  # the standard error's slope is that of the largest decade of bank sizes, rounding of sizes included
SHOWN = 32  # queries and candidates whose effective sample size and standard error are followed


def bank_sizes(largest: int, count: int) -> list[int]:
    """About `count` log-spaced bank sizes from 1 to `largest`."""
    return sorted({round(size) for size in np.geomspace(1, largest, count)})


def trial_rows(rows: int, params: ScalingRun) -> list[Tensor]:
    """The candidates of each trial: blocks of their own while there are enough rows, else random subsets."""
    if rows < params.candidates:
        raise InputError(f"scaling needs {params.candidates} pairs of A and C for its candidates: got {rows}")
    if rows >= params.trials * params.candidates:
        return list(torch.arange(params.trials * params.candidates).split(params.candidates))
    streams = [_stream(params, "trial", trial) for trial in range(params.trials)]
    return [torch.randperm(rows, generator=stream)[: params.candidates] for stream in streams]


def embed_world(params: Scaling, model: str, device: torch.device, progress: bool = True) -> dict[str, Tensor]:
    """Train a joint model (one encoder of B, cosine critic) in its Gaussian world; the embedding file's tensors."""
    training = params.training(model)
    data = sample(training)
    weights, _ = train_model(training, "cosine", data, device, progress)
    encoder = build_model(training, "cosine").to(device).eval()
    encoder.load_state_dict({key: value[-1] for key, value in weights.items()})
    world, count = world_of(data), params.trials * params.candidates
    pool, bank = (
        world.sample(n, [_stream(params, channel)]) for n, channel in ((count, "pool"), (params.largest, "bank"))
    )
    with torch.no_grad():
        embeddings = {
            name: encoder.encode(modality, x.to(device))[0].cpu()
            for name, modality, x in (("a", "a", pool.a), ("c", "c", pool.c), ("b_for_a", "b", bank.b))
        }
    scale = torch.as_tensor(encoder.critic.scale).double().cpu()
    exact = [_exact(world, pool.a[0, rows], pool.c[0, rows], params.queries) for rows in trial_rows(count, params)]
    return embeddings | {"scale_ab": scale, "scale_bc": scale.clone(), "exact": torch.stack(exact).float()}


def _exact(world: GaussianWorld, a: Tensor, c: Tensor, queries: int) -> Tensor:
    return world.log_ratio(a[None, :queries], c[None])[0]


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
        yield {"method": "direct", "recall_at_1": _recall(Bridge(ab, bc, Bank(e["b_for_a"][:1])).direct(a, c))}
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
            bridge = Bridge(ab, bc, bank.between(low, high))
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
    """Recall@1 of the first rows' own candidates among all; ties count their expected rank."""
    target = scores.diagonal()[:, None]
    above, equal = (scores > target).sum(1), (scores == target).sum(1)
    return float((above + (equal + 1) / 2 <= 1).double().mean())


def _real(params: ScalingRun, e: Mapping[str, Tensor], trial: int) -> Bank:
    order = torch.randperm(len(e["b_for_a"]), generator=_stream(params, "order", trial))
    shared = "b_for_c" not in e
    return Bank(e["b_for_a"][order]) if shared else Bank(e["b_for_a"][order], e["b_for_c"][order])


def _uniform(params: ScalingRun, e: Mapping[str, Tensor], trial: int) -> Bank:
    """Samples uniform on the sphere; for two spaces, one such sample in each (nothing ties them together)."""
    stream = _stream(params, "uniform", trial)
    sides = [torch.randn(params.largest, e[n].shape[1], generator=stream) for n in ("b_for_a", "b_for_c") if n in e]
    return Bank(*sides)


def _stream(params: ScalingRun, purpose: str, trial: int = 0) -> torch.Generator:
    return generator(params.seed, 100 + CHANNELS.index(purpose), trial)


def summarise(scores: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """`{model: {bank: {M: {recall_at_1, ci95}}, direct, closed_form, ...}}` and what follows from it per bank.

    `ci95` is half the width of the 95 % interval of the mean over trials. `ground_truth`, where it is known, is beside
    `direct`. `meets_direct`: the smallest M from which on the paired difference to direct is not significantly
    negative, none where there is no such M. `slope`: exponent of the standard error in M (`fit_slope`), beside the
    median `effective_samples` of the largest bank.
    """
    return {model: _summarise_model(table) for model, table in scores.items()}


def _summarise_model(table: pd.DataFrame) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    direct = table[table["method"] == "direct"].set_index("trial")["recall_at_1"]
    follows: dict[str, Any] = {"meets_direct": {}, "slope": {}, "effective_samples": {}}
    for bank in BANKS:
        rows = table[table["method"] == bank]
        summary[bank] = {str(m): _mean(rows[rows["samples"] == m]["recall_at_1"]) for m in _sizes(rows)}
        follows["meets_direct"][bank] = _meets(rows, direct) if len(direct) else None
        follows["slope"][bank] = fit_slope(rows)
        largest = rows[rows["samples"] == rows["samples"].max()]
        follows["effective_samples"][bank] = float(largest["effective_samples"].mean())
    for method in ("direct", "closed_form", "ground_truth"):
        values = table[table["method"] == method]["recall_at_1"]
        if len(values):
            summary[method] = float(values.mean())
            follows[f"{method}_ci95"] = _mean(values)["ci95"]
    return summary | follows


def _mean(values: pd.Series) -> dict[str, float]:
    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1)) / len(values) ** 0.5
    return {"recall_at_1": float(values.mean()), "ci95": half}


def _meets(rows: pd.DataFrame, direct: pd.Series) -> int | None:
    smallest = None
    for samples in reversed(_sizes(rows)):
        paired = rows[rows["samples"] == samples].set_index("trial")["recall_at_1"]
        difference = _mean(paired - direct)
        if difference["recall_at_1"] + difference["ci95"] < 0:
            break
        smallest = samples
    return smallest


def _sizes(rows: pd.DataFrame) -> list[int]:
    return sorted(int(m) for m in rows["samples"].unique())


def fit_slope(rows: pd.DataFrame) -> float | None:
    """Exponent of the median standard error in the bank's size over its largest decade; none where it has one size.

    -1/2 for Monte Carlo whose effective sample size is large. While few samples carry the sum the exponent is nearer to
    0, and the error itself is underestimated: the samples that matter have not been drawn yet.
    """
    errors = rows.groupby("samples")["standard_error"].mean().dropna()
    errors = errors[errors.index >= errors.index.max() / DECADE]
    return float(np.polyfit(np.log(errors.index), np.log(errors), 1)[0]) if len(errors) > 1 else None


def tabulate(scores: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Means over trials: model, method, samples, recall_at_1, ci95, effective_samples, standard_error."""
    rows = []
    for model, table in scores.items():
        table = table.fillna({"samples": 0})
        for method in table["method"].unique():
            for samples in _sizes(table[table["method"] == method]):
                part = table[(table["method"] == method) & (table["samples"] == samples)]
                rest = part[["effective_samples", "standard_error"]].mean().to_dict()
                rows.append({"model": model, "method": method, "samples": samples} | _mean(part["recall_at_1"]) | rest)
    return pd.DataFrame(rows)
