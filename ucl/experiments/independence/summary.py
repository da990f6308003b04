"""Metrics, table and runs of `independence`."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ucl.files import read_parquet
from ucl.reporting.collected import Collected, Files, headline_of
from ucl.reporting.tracking import Run, flatten

__all__ = ["collect", "summarise", "tabulate"]


def summarise(table: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """`{"<sd of the shared noise>": {method: {recall_at_1, sd}}}`, mean and sd (n - 1) over seeds."""
    summary: dict[str, dict[str, dict[str, float]]] = {}
    for (noise, method), rows in table.groupby(["shared_noise", "method"], sort=False):
        recalls = rows["recall_at_1"]
        sd = float(recalls.std()) if len(recalls) > 1 else 0.0
        summary.setdefault(f"{noise:g}", {})[str(method)] = {"recall_at_1": float(recalls.mean()), "sd": sd}
    return summary


def tabulate(summary: Mapping[str, Mapping[str, Mapping[str, float]]]) -> pd.DataFrame:
    """One row per level of shared noise: each method's recall, and the loss of normalised Monte Carlo in two parts.

    `unavoidable` is what the exact scorer under Assumption 1 loses against the exact one; `added` what normalised Monte
    Carlo loses against the exact scorer under Assumption 1.
    """
    rows = []
    for noise, methods in summary.items():
        recall = {method: entry["recall_at_1"] for method, entry in methods.items()}
        parts = {
            "unavoidable": recall["bayes"] - recall["bayes_assuming_independence"],
            "added": recall["bayes_assuming_independence"] - recall["monte_carlo_normalized"],
        }
        rows.append({"shared_noise": float(noise)} | recall | parts)
    return pd.DataFrame(rows)


def collect(files: Files, section: Mapping[str, Any]) -> Collected:
    """From `recalls`, a file per level of shared noise."""
    summary = summarise(pd.concat([read_parquet(file) for file in files["recalls"]], ignore_index=True))
    params = flatten(section, "independence")
    runs = [
        Run(
            name=f"shared noise {noise} {method}",
            params=params | {"noise": noise, "method": method},
            metrics={name: [[0, value]] for name, value in entry.items()},
            tags={"rule": "train_independence", "wildcards": f"noise={float(noise)}"},
        )
        for noise, methods in summary.items()
        for method, entry in methods.items()
    ]
    return Collected(
        metrics=summary,
        headline=headline_of(list(summary.values())[-1]),
        tables={"independence": tabulate(summary)},
        runs=runs,
    )
