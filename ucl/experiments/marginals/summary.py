"""Metrics, tables and runs of `marginals` (section 6.2.2, appendix C.3, Fig. 7).

The tests are judged first (`simulation`: what they reject on data whose law is known), then used on the representations
of trained models.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ucl.experiments.marginals.level import LEVEL
from ucl.files import read_parquet
from ucl.reporting.collected import Collected, Files
from ucl.reporting.tracking import Run, flatten
from ucl.statistics.intervals import share_half_width
from ucl.statistics.normality import GAUSSIAN_TESTS

__all__ = ["collect", "sizes", "summarise", "tabulate"]


def sizes(rejections: pd.DataFrame) -> pd.DataFrame:
    """Share of rejections and the half-width of its 95 % interval, added to a table of `simulation`."""
    share = rejections["rejections"] / rejections["samples"]
    return rejections.assign(rejected=share, ci95=share_half_width(share, rejections["samples"]))


def summarise(rejections: pd.DataFrame, example: pd.DataFrame, inspected: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Everything as `{size: {test: {d: {rejected, ci95, samples}}}, power: {alternative: {test: {d: ...}}},
    example: {test: {median_p, rejected}}, representations: {critic: {modality: {quantity: {value, sd, median_p,
    rejected}}}}}`.
    """
    table = sizes(rejections)
    nulls = {"uniform", "Gaussian"}
    power = {
        str(name): _by_test(rows) for name, rows in table.groupby("alternative", sort=False) if str(name) not in nulls
    }
    judged: list[Any] = example.to_dict("records")
    shares = {e["test"]: {"median_p": e["median_p"], "rejected": e["rejections"] / e["samples"]} for e in judged}
    return {
        "size": _by_test(table[table["alternative"].isin(nulls)]),
        "power": power,
        "example": shares,
        "representations": {critic: _representations(rows) for critic, rows in inspected.items()},
    }


def tabulate(summary: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two tables for the report: the size of every test by dimension, and the representations of every critic."""
    size_rows = []
    for test, by_d in summary["size"].items():
        cells = {f"d = {d}": f"{100 * e['rejected']:.1f} ± {100 * e['ci95']:.1f}" for d, e in by_d.items()}
        size_rows.append({"test": test} | cells)
    rows = []
    for critic, modalities in summary["representations"].items():
        for modality, quantities in modalities.items():
            rows.append({"critic": critic, "modality": modality} | {q: _cell(e) for q, e in quantities.items()})
    return pd.DataFrame(size_rows).fillna(""), pd.DataFrame(rows).fillna("")


def _by_test(table: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = {}
    rows: list[Any] = table.to_dict("records")
    for row in rows:
        found.setdefault(row["test"], {})[str(row["d"])] = {key: row[key] for key in ("rejected", "ci95", "samples")}
    return found


def _representations(table: pd.DataFrame) -> dict[str, dict[str, dict[str, float | None]]]:
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for (modality, quantity), rows in table.groupby(["modality", "quantity"], sort=False):
        p = rows["p_value"].dropna().astype(float)
        found.setdefault(str(modality), {})[str(quantity)] = {
            "value": float(rows["value"].mean()),
            "sd": float(rows["value"].std()) if len(rows) > 1 else 0.0,
            "median_p": float(p.median()) if len(p) else None,
            "rejected": float((p <= LEVEL).mean()) if len(p) else None,
        }
    return found


def _cell(entry: Mapping[str, float | None]) -> str:
    """The effect size and in how many of the seeds the test rejects; without a p-value the quantity alone."""
    if entry["rejected"] is None:
        return f"{entry['value']:.3f}"
    return f"{entry['value']:.3f} ({100 * entry['rejected']:.0f} %)"


def collect(files: Files, section: Mapping[str, Any]) -> Collected:
    """From `rejections`, a file per family of tests and dimension, `example`, and `inspected`, a file per critic."""
    rejections = sizes(pd.concat([read_parquet(file) for file in files["rejections"]]))
    inspected = {file.name.split(".")[0]: read_parquet(file) for file in files["inspected"]}
    summary = summarise(rejections, read_parquet(files["example"][0]), inspected)
    by_test, representations = tabulate(summary)
    params = flatten(section, "marginals")
    runs = [
        Run(
            name=f"{alternative} {test}",
            params=params | {"alternative": alternative, "test": test},
            metrics={
                "rejected": [[float(d), float(share)] for d, share in zip(rows["d"], rows["rejected"], strict=True)]
            },
            tags={"rule": "simulate_gaussian" if test in GAUSSIAN_TESTS else "simulate_sphere"},
        )
        for (alternative, test), rows in rejections.groupby(["alternative", "test"], sort=False)
    ]
    tested = {test: entries for test, entries in summary["size"].items() if test != "published_ks"}
    shares = [entry["rejected"] for entries in tested.values() for entry in entries.values()]
    return Collected(
        metrics=summary,
        headline={"smallest_size": min(shares), "largest_size": max(shares)},
        tables={"marginals_sizes": by_test, "marginals_representations": representations},
        runs=runs,
        frames={"rejections": rejections},
    )
