"""Metrics, table and runs of `disparate`."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ucl.experiments.disparate.config import Disparate
from ucl.files import read_parquet
from ucl.reporting.collected import Collected, Files, headline_of
from ucl.reporting.tracking import Run, flatten

__all__ = ["collect", "learning_curves", "summarise", "tabulate"]


def summarise(curves: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """`{protocol: {key: {method: {recall_at_1, sd, seeds}}}}` at the last epoch, as for `synthetic`."""
    summary: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for key, table in curves.items():
        last = table[table["epoch"] == table["epoch"].max()]
        for (protocol, method), rows in last.groupby(["protocol", "method"], sort=False):
            recalls = rows["recall_at_1"]
            sd = float(recalls.std()) if len(recalls) > 1 else 0.0
            entry = {"recall_at_1": float(recalls.mean()), "sd": sd, "seeds": len(recalls)}
            summary.setdefault(str(protocol), {}).setdefault(key, {})[str(method)] = entry
    return summary


def tabulate(
    summary: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]], differences: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """One row per protocol and pair of widths, a column `mean ± sd` per method; empty where it was not asked for.

    `black_box_difference` is the largest difference in nats, over seeds, queries and candidates, between Monte Carlo
    scores from embeddings and from similarity scores alone.
    """
    rows = []
    for protocol, keys in summary.items():
        for key, methods in keys.items():
            own = differences[key].loc[differences[key]["protocol"] == protocol, "difference"]
            shown = {m: f"{entry['recall_at_1']:.3f} ± {entry['sd']:.3f}" for m, entry in methods.items()}
            apart = f"{own.max():.1e} nats"
            rows.append({"protocol": protocol, "boxes": key} | shown | {"black_box_difference": apart})
    return pd.DataFrame(rows).fillna("")


def learning_curves(
    curves: Mapping[str, pd.DataFrame],
) -> dict[tuple[str, str, str], dict[str, list[list[float]]]]:
    """Per protocol, pair of widths and method: `{recall_at_1: [[epoch, mean], ...], recall_at_1_sd: ...}`."""
    found: dict[tuple[str, str, str], dict[str, list[list[float]]]] = {}
    for key, table in curves.items():
        for (protocol, method), rows in table.groupby(["protocol", "method"], sort=False):
            stats = rows.groupby("epoch")["recall_at_1"].agg(["mean", "std"]).fillna(0.0)
            points = {"recall_at_1": stats["mean"], "recall_at_1_sd": stats["std"]}
            found[str(protocol), key, str(method)] = {
                name: [[float(i), float(x)] for i, x in zip(stats.index, values, strict=True)]
                for name, values in points.items()
            }
    return found


def collect(files: Files, section: Mapping[str, Any]) -> Collected:
    """From `curves` and `differences`, a file for each of the section's `dimensions_bc`."""
    params = Disparate.model_validate(section)
    widths = {params.boxes(width): width for width in params.dimensions_bc}
    keys = list(widths)
    curves = {key: read_parquet(file) for key, file in zip(keys, files["curves"], strict=True)}
    differences = {key: read_parquet(file) for key, file in zip(keys, files["differences"], strict=True)}
    summary = summarise(curves)
    flat = flatten(section, "disparate")
    runs = [
        Run(
            name=f"{protocol} {key} {method}",
            params=flat | {"protocol": protocol, "boxes": key, "method": method},
            metrics=metrics,
            tags={"rule": "train_disparate", "wildcards": f"width={widths[key]}"},
        )
        for (protocol, key, method), metrics in learning_curves(curves).items()
    ]
    return Collected(
        metrics=summary,
        headline=headline_of(summary["held_out"][keys[0]]),
        tables={"disparate": tabulate(summary, differences)},
        runs=runs,
    )
