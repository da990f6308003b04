"""What an experiment's `summary.collect` returns, and where it goes: the one form that all experiments report in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ucl.files import write_json, write_parquet
from ucl.reporting.tables import save_table
from ucl.reporting.tracking import Run, write_runs

__all__ = ["Collected", "Files", "by_name", "headline_of", "write_collected"]

Files = Mapping[str, Sequence[Path]]  # a rule's named inputs


@dataclass(frozen=True)
class Collected:
    """The numbers of an experiment."""

    metrics: Mapping[str, Any]  # all of them, as the report reads them
    headline: Mapping[str, float]  # the handful that DVC compares
    tables: Mapping[str, pd.DataFrame]  # by the stem of their file
    runs: Sequence[Run]  # for MLflow
    frames: Mapping[str, pd.DataFrame] = field(default_factory=dict)  # for figures, by the name of the output


def by_name(files: Any) -> dict[str, list[Path]]:
    """A rule's named inputs or outputs, each as a list of paths."""
    return {name: [Path(file) for file in ([own] if isinstance(own, str) else own)] for name, own in files.items()}


def headline_of(methods: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Recall@1 of the methods that every experiment in a Gaussian world has, by the names that DVC compares."""
    names = {"direct": "direct", "bridge": "monte_carlo_normalized", "trained": "ground_truth", "exact": "bayes"}
    return {name: methods[method]["recall_at_1"] for name, method in names.items() if method in methods}


def write_collected(
    experiment: str,
    collected: Collected,
    outputs: Mapping[str, Sequence[Path]],
    artifacts: Sequence[str],
    about: str,
    jobs: Mapping[str, str],
) -> None:
    """Write to `metrics`, `headline`, the folder of `tables`, `runs`, and an output for every frame.

    `artifacts` are logged with the runs: all that the experiment shows, figures included. `about` is what it is,
    `jobs` each rule's benchmark file.
    """
    write_json(collected.metrics, outputs["metrics"][0])
    write_json(collected.headline, outputs["headline"][0])
    for stem, table in collected.tables.items():
        save_table(table, outputs["tables"][0].parent / stem)
    for name, frame in collected.frames.items():
        write_parquet(frame, outputs[name][0])
    write_runs(experiment, collected.runs, artifacts, outputs["runs"][0], about, jobs)
