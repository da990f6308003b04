"""Experiment `peers`: every way to bridge on every world whose truth is known, against the same exact scorer."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

import pandas as pd

from ucl.experiments.peers.methods import GIVEN_B, REFERENCES
from ucl.files import read_parquet
from ucl.reporting.collected import Collected, Files, headline_of
from ucl.reporting.tracking import Run, flatten
from ucl.statistics.intervals import student_half_width

__all__ = ["collect", "summarise", "tabulate", "verdicts"]


def summarise(tables: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, dict[str, float | None]]]:
    """`{world: {method: {recall_at_1, ci95, regret_to_bayes, seconds}}}`; each table holds methods and references.

    `ci95` is the half-width of the mean's 95 % interval over seeds (Student's t). `regret_to_bayes` is what the exact
    scorer that knows as much as the method reaches beyond it: for Symile, whose queries hold their B, given B.
    """
    return {world: {m: _entry(table, m) for m in table["method"].unique()} for world, table in tables.items()}


def tabulate(summary: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> pd.DataFrame:
    """A row per method, a column `recall ± ci95` per world; empty where a method is not defined."""
    methods = list(dict.fromkeys(method for entries in summary.values() for method in entries))
    rows = []
    for method in sorted(methods, key=lambda m: (m in REFERENCES, methods.index(m))):
        found = {world: entries.get(method) for world, entries in summary.items()}
        cells = {w: f"{e['recall_at_1']:.3f} ± {e['ci95']:.3f}" if e else "" for w, e in found.items()}
        rows.append({"method": method} | cells)
    return pd.DataFrame(rows)


def _entry(table: pd.DataFrame, method: str) -> dict[str, float | None]:
    own = table[table["method"] == method]
    best = table[table["method"] == GIVEN_B.get(method, "bayes")]["recall_at_1"].mean()
    seconds = own["seconds"].mean()
    return {
        "recall_at_1": float(own["recall_at_1"].mean()),
        "ci95": student_half_width(own["recall_at_1"]),
        "regret_to_bayes": float(best - own["recall_at_1"].mean()),
        "seconds": None if pd.isna(seconds) else float(seconds),
    }


def verdicts(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Who wins where among the bridges: a row per world and method with its mean recall, its half-width, its loss
    against the best bridge of that world, and whether it ties with it.

    Methods tie where the 95 % interval of the paired difference over seeds holds zero.
    """
    rows = []
    for world, table in tables.items():
        recalls = table[~table["method"].isin(REFERENCES)].pivot_table(
            index="seed", columns="method", values="recall_at_1"
        )
        best = str(recalls.mean().idxmax())
        for method in recalls.mean().sort_values(ascending=False, kind="stable").index:
            behind = recalls[best] - recalls[method]
            loss, width = float(behind.mean()), student_half_width(behind)
            own = {"recall_at_1": float(recalls[method].mean()), "ci95": student_half_width(recalls[method])}
            rows.append({"world": world, "method": method} | own | {"behind_best": loss, "ties": loss <= width})
    return pd.DataFrame(rows)


def collect(files: Files, section: Mapping[str, Any]) -> Collected:
    """From `scores` and `references`, a file of each for each of the section's `scenes`."""
    pairs = zip(section["scenes"], files["scores"], files["references"], strict=True)
    tables = {scene: pd.concat([read_parquet(own), read_parquet(other)]) for scene, own, other in pairs}
    summary = summarise(tables)
    params = flatten(section, "peers")
    runs = [
        Run(
            name=f"{scene} {method}",
            params=params | {"world": scene, "method": method},
            metrics={name: [[0, value]] for name, value in entry.items() if value is not None},
            tags={"rule": "score_peers", "wildcards": f"scene={scene}"},
        )
        for scene, methods in summary.items()
        for method, entry in methods.items()
    ]
    by_scene = [headline_of(entries) for entries in summary.values()]
    found = {name: [own[name] for own in by_scene if name in own] for name in dict.fromkeys(chain(*by_scene))}
    return Collected(
        metrics=summary,
        headline={name: sum(values) / len(values) for name, values in found.items()},
        tables={"peers": tabulate(summary), "peers_all": verdicts(tables)},
        runs=runs,
    )
