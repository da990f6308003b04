"""Experiment `synthetic`: direct, Monte Carlo and exact scores in a Gaussian world (section 6.1, Fig. 3)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ucl.experiments.synthetic.methods import METHODS, REFERENCE
from ucl.files import digest, read_parquet
from ucl.reporting.collected import Collected, Files, headline_of
from ucl.reporting.keys import PROTOCOLS
from ucl.reporting.tracking import Run, flatten

__all__ = [
    "best_of_grid",
    "collect",
    "combine",
    "learning_curves",
    "summarise",
    "tabulate_candidates",
    "tabulate_epochs",
]


def combine(tables: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """Tables by (protocol, model) as one, with columns protocol and critic; the reference is in every critic."""
    parts = []
    for (protocol, model), table in tables.items():
        critics = [m for p, m in tables if p == protocol and m != REFERENCE] if model == REFERENCE else [model]
        parts += [table.assign(protocol=protocol, critic=critic) for critic in critics]
    table = pd.concat(parts, ignore_index=True)
    order = {"method": METHODS, "protocol": PROTOCOLS}
    for column, values in order.items():
        table[column] = pd.Categorical(table[column], values)
    return table.sort_values(["protocol", "critic", "method"], kind="stable").astype(dict.fromkeys(order, str))


def summarise(curves: pd.DataFrame) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """`{protocol: {critic: {method: {recall_at_1, sd, seeds}}}}` at the last epoch; sd over seeds (n - 1)."""
    last = curves[curves["epoch"] == curves["epoch"].max()]
    summary: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for (protocol, critic, method), rows in last.groupby(["protocol", "critic", "method"], sort=False):
        values = rows["recall_at_1"].to_numpy()
        sd = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        entry = {"recall_at_1": float(values.mean()), "sd": sd, "seeds": len(values)}
        summary.setdefault(protocol, {}).setdefault(critic, {})[method] = entry
    return summary


def tabulate_candidates(candidates: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds of `evaluate_candidates`, with the standard deviation of Recall@1."""
    keys = ["protocol", "critic", "method", "direction"]
    groups = candidates.groupby(keys, sort=False)
    means = groups.mean(numeric_only=True).drop(columns="seed")
    means.insert(1, "sd", groups["recall_at_1"].std(ddof=1).fillna(0.0))
    return means.reset_index()


def tabulate_epochs(summary: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]) -> pd.DataFrame:
    """The summary as a table: one row per protocol and method, one column per critic."""
    rows = [
        {"protocol": protocol, "method": method}
        | {critic: f"{e['recall_at_1']:.3f} ± {e['sd']:.3f}" for critic, m in critics.items() for e in [m[method]]}
        for protocol, critics in summary.items()
        for method in METHODS
    ]
    return pd.DataFrame(rows)


def learning_curves(
    epochs: pd.DataFrame, candidates: pd.DataFrame
) -> dict[tuple[str, str, str], dict[str, list[list[float]]]]:
    """`{(protocol, critic, method): {metric: [[epoch, value], ...]}}`: means and standard deviations over seeds."""
    curves: dict[tuple[str, str, str], dict[str, list[list[float]]]] = {}
    for (protocol, critic, method), rows in epochs.groupby(["protocol", "critic", "method"], sort=False):
        by_epoch = rows.groupby("epoch")["recall_at_1"].agg(["mean", "std"]).fillna(0.0).reset_index()
        curves[str(protocol), str(critic), str(method)] = {
            "epochs/recall_at_1": by_epoch[["epoch", "mean"]].to_numpy().tolist(),
            "epochs/recall_at_1_sd": by_epoch[["epoch", "std"]].to_numpy().tolist(),
        }
    for row in tabulate_candidates(candidates).to_dict("records"):
        metrics = curves[row["protocol"], row["critic"], row["method"]]
        for name in ("recall_at_1", "recall_at_5", "recall_at_10", "median_rank", "log_ratio_error"):
            metrics[f"last_epoch/{row['direction']}/{name}"] = [[0, row[name]]]  # at 0 MLflow draws a bar
    return curves


def best_of_grid(epochs: pd.DataFrame) -> pd.DataFrame:
    """The best epoch and setting per dimension and method, as published: chosen on the points it is reported on."""
    epochs = epochs.assign(dimension=epochs["setting"].str.extract(r"d(\d+)_", expand=False).astype(int))
    means = epochs.groupby(["protocol", "dimension", "critic", "method", "setting", "epoch"])["recall_at_1"].mean()
    table = means.reset_index()
    best = table.groupby(["protocol", "dimension", "critic", "method"])["recall_at_1"].idxmax()
    return table.loc[best].reset_index(drop=True)


def collect(files: Files, section: Mapping[str, Any]) -> Collected:
    """From `data` (its digest alone) and `scores`, files `<protocol>/<model>.<epochs or candidates>.parquet`."""
    parts: dict[str, dict[tuple[str, str], pd.DataFrame]] = {"epochs": {}, "candidates": {}}
    for file in files["scores"]:
        model, what, _ = file.name.split(".")
        parts[what][file.parent.name, model] = read_parquet(file)
    epochs, candidates = combine(parts["epochs"]), combine(parts["candidates"])
    summary = summarise(epochs)
    params = flatten(section, "synthetic")
    tags = {"rule": "score_synthetic", "data.sha256": digest(files["data"][0])}
    runs = [
        Run(
            name=f"{critic} {method} {protocol}",
            params=params | {"protocol": protocol, "critic": critic, "method": method},
            metrics=metrics,
            tags=tags | {"wildcards": f"study=synthetic protocol={protocol} model={critic}"},
        )
        for (protocol, critic, method), metrics in learning_curves(epochs, candidates).items()
    ]
    return Collected(
        metrics=summary,
        headline=headline_of(next(iter(summary["held_out"].values()))),
        tables={"synthetic": tabulate_epochs(summary), "synthetic_candidates": tabulate_candidates(candidates)},
        runs=runs,
        frames={"epochs": epochs, "candidates": candidates},
    )
