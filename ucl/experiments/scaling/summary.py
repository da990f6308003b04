"""Experiment `scaling`: Monte Carlo recall as the bank grows from one sample to 500,000 (appendix C.1, Fig. 5).

An embedding file is all that is needed of a model: safetensors with `a` [N, d1], `c` [N, d2] (row i of one belongs to
row i of the other), `b_for_a` [M, d1], `b_for_c` [M, d2] (left out where both models share one space), the critics'
scales `scale_ab` and `scale_bc`, and, where it is known, `exact` [trials, queries, candidates]: the log ratio of the
pairs that `trial_rows` picks.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ucl.experiments.scaling.methods import BANKS
from ucl.files import digest, read_parquet
from ucl.reporting.collected import Collected, Files
from ucl.reporting.tracking import Run, flatten
from ucl.statistics.intervals import student_half_width

__all__ = ["collect", "fit_slope", "summarise", "tabulate"]
DECADE = 10.5  # the standard error's slope is that of the largest decade of bank sizes, rounding of sizes included


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
    return {"recall_at_1": float(values.mean()), "ci95": student_half_width(values)}


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


def collect(files: Files, section: Mapping[str, Any]) -> Collected:
    """From `scores`, a file `<model>/scores.parquet` per model."""
    scores = {file.parent.name: read_parquet(file) for file in files["scores"]}
    digests = {file.parent.name: digest(file) for file in files["scores"]}
    summary, table = summarise(scores), tabulate(scores)
    params, runs = flatten(section, "scaling"), []
    for (model, method), rows in table.groupby(["model", "method"], sort=False):
        names = ["recall_at_1", "effective_samples", "standard_error"] if method in BANKS else ["recall_at_1"]
        curves = rows.dropna(subset=names)
        runs.append(
            Run(
                name=f"{model} {method}",
                params=params | {"model": model, "method": method},
                metrics={name: curves[["samples", name]].to_numpy().tolist() for name in names},
                tags={"rule": "score_scaling", "wildcards": f"joint={model}", "data.sha256": digests[str(model)]},
            )
        )
    return Collected(summary, _headline(next(iter(summary.values()))), {"scaling": table}, runs)


def _headline(model: Mapping[str, Any]) -> dict[str, float]:
    """Of the first model, over its largest bank; what does not apply to it is left out."""
    bridge = list(model["real_normalized"].values())[-1]["recall_at_1"]
    others = {"direct": model.get("direct"), "exact": model.get("ground_truth")}
    return {"bridge": bridge} | {name: value for name, value in others.items() if value is not None}
