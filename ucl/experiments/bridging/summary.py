"""Metrics, tables and runs of `bridging`, with intervals over seeds."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ucl.experiments.bridging.methods import METHODS
from ucl.files import digest, read_parquet
from ucl.reporting.collected import Collected, Files
from ucl.reporting.tracking import Run, flatten
from ucl.statistics.cutoffs import KS
from ucl.statistics.intervals import share_half_width, student_half_width

STAMPS = "stamps"  # the suite with splits in place of seeds, and methods of its own
KEYS = ["suite", "task", "through", "method", "candidates", "queries"]

__all__ = ["collect", "describe_runs", "summarise", "summarise_uniformity", "with_intervals"]


# --- over seeds --------------------------------------------------------------------------------------------------


def with_intervals(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Means over seeds of all recalls, with `ci95`, half the width of Recall@1's 95 % interval, and `seeds`.

    Where `queries` is not among the keys, since every seed has its own number, it becomes the mean.
    The interval is Student's over seeds; a single set of models leaves the binomial one over its `queries`.
    """
    groups = frame.groupby(list(keys), sort=False)
    values = [f"recall_at_{k}" for k in KS]
    table = groups[values].mean()
    seeds = groups["recall_at_1"].count()
    single = share_half_width(table["recall_at_1"], groups["queries"].first())
    table["ci95"] = groups["recall_at_1"].agg(student_half_width).where(seeds > 1, single)
    table["seeds"] = seeds
    if "queries" not in keys:
        table["queries"] = groups["queries"].mean()
    return table.reset_index()


def summarise(table: pd.DataFrame) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """The metrics of the report: suite, task, method; among the smallest number of candidates."""
    smallest = table.groupby(["suite", "task"])["candidates"].transform("min")
    shown = table["method"].isin(METHODS) | (table["suite"] == STAMPS)
    entries: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for row in table[(table["candidates"] == smallest) & shown].to_dict("records"):
        entry = {key: float(row[key]) for key in ("recall_at_1", "recall_at_5", "ci95")}
        methods = entries.setdefault(row["suite"], {}).setdefault(row["task"], {})
        methods[row["method"]] = entry | {"candidates": int(row["candidates"])}
        if row["suite"] == STAMPS:
            methods[row["method"]]["splits"] = int(row["seeds"])
    return entries


def summarise_uniformity(frame: pd.DataFrame) -> pd.DataFrame:
    """Median over seeds of p-values and effects, one row per encoder."""
    keys = ["suite", "model", "modality", "points", "width"]
    wide = [
        frame.pivot_table(what, keys, "test", aggfunc="median", sort=False).add_suffix(f"_{what}")
        for what in ("p_value", "effect")
    ]
    table = pd.concat(wide, axis=1)
    return table.dropna(axis=1, how="all").reset_index()


def describe_runs(
    recall: pd.DataFrame, losses: pd.DataFrame | None
) -> Iterator[tuple[str, dict[str, str], dict[str, list[list[float]]]]]:
    """Runs to record: name, what was chosen, metrics. One per suite, task and method; one per trained model."""
    for keys, part in recall.groupby(["suite", "task", "method"], sort=False):
        suite, task, method = map(str, keys)
        metrics = {
            f"recall_at_{k}_of_{row['candidates']}": [[0, row[f"recall_at_{k}"]]]
            for row in part.to_dict("records")
            for k in KS
        }
        yield f"{suite} {task} {method}", {"suite": suite, "task": task, "method": method}, metrics
    if losses is None:
        return
    for keys, part in losses.groupby(["suite", "model"], sort=False):
        suite, model = map(str, keys)
        by_step = part.groupby("step", as_index=False)["loss"].agg(["mean", "std"]).fillna(0.0).iloc[::10]
        curves = {f"loss_{what}": by_step[["step", what]].astype(float).to_numpy().tolist() for what in ("mean", "std")}
        yield f"{suite} train {model}", {"suite": suite, "model": model}, curves


def collect(files: Files, section: Mapping[str, Any]) -> Collected:
    """From `table`, `<suite>/items.parquet` of each suite (its digest alone); from each set of models of each suite
    `recall`, `banks` and `uniformity`, `<suite>/seed<n>/...`; and `losses` of the models that were trained. `stamps`
    is the recall of that suite alone. All but `table` may be empty."""
    found = [(files["recall"], KEYS), (files["stamps"], KEYS[:-1])]
    recall = pd.concat([with_intervals(_read(each), keys) for each, keys in found if each], ignore_index=True)
    banks, uniformity = pd.DataFrame(columns=["suite", "method", "bank", "queries"]), pd.DataFrame(columns=["suite"])
    if files["banks"]:
        banks = with_intervals(_read(files["banks"]), ["suite", "method", "bank", "queries"])
        uniformity = summarise_uniformity(_read(files["uniformity"]))
    losses = _read(files["losses"]) if files["losses"] else None
    data = {f"data.{file.parent.name}.sha256": digest(file) for file in files["table"]}
    params = flatten(section, "bridging")
    described = describe_runs(recall, losses)
    runs = [Run(name, params | chosen, metrics, data | _job(chosen)) for name, chosen, metrics in described]
    summary = summarise(recall)
    return Collected(
        metrics=summary,
        headline=_headline(summary),
        tables={"bridging": recall, "bridging_bank": banks, "bridging_uniformity": uniformity},
        runs=runs,
        frames={"recall": recall, "banks": banks},
    )


def _job(chosen: Mapping[str, str]) -> dict[str, str]:
    """Tags of the jobs that a run's numbers are from: a method's or a trained model's."""
    if "method" in chosen:
        return {"rule": "score_bridging", "wildcards": f"suite={chosen['suite']}"}
    kind = "joint" if chosen["model"].startswith("joint") else "pairwise"
    return {"rule": f"train_{kind}_digits", "wildcards": f"trained={chosen['suite']}"}


def _read(files: Sequence[Path]) -> pd.DataFrame:
    """One table of all suites and seeds, from files `<suite>/seed<n>/...`."""
    named = [(read_parquet(file), file.parts[-3:-1]) for file in files]
    return pd.concat(
        [frame.assign(suite=suite, seed=int(seed.removeprefix("seed"))) for frame, (suite, seed) in named],
        ignore_index=True,
    )


def _headline(summary: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]) -> dict[str, float]:
    """The first task of the first suite; what does not apply to it is left out."""
    methods = next(iter(next(iter(summary.values())).values())) if summary else {}
    names = {"direct": "direct_disparate", "bridge": "monte_carlo_disparate", "trained": "ground_truth"}
    return {name: methods[method]["recall_at_1"] for name, method in names.items() if method in methods}
