"""Metrics, table and runs of `lemmas`."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ucl.files import digest, read_parquet
from ucl.reporting.collected import Collected, Files
from ucl.reporting.tracking import Run, flatten

__all__ = ["collect", "summarise"]


def summarise(checks: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """`{check: {error, tolerance, holds}}`."""
    rows = checks.to_dict("records")
    return {r["check"]: {"error": r["error"], "tolerance": r["tolerance"], "holds": bool(r["holds"])} for r in rows}


def collect(files: Files, section: Mapping[str, Any]) -> Collected:
    """From `checks`."""
    checks = read_parquet(files["checks"][0])
    params = flatten(section, "lemmas")
    tags = {"rule": "check_lemmas", "data.sha256": digest(files["checks"][0])}
    runs = [
        Run(
            name=check["check"],
            params=params | {"check": check["check"]},
            metrics={name: [[0, float(check[name])]] for name in ("error", "tolerance", "holds", "deviation")},
            tags=tags,
        )
        for check in checks.to_dict("records")
    ]
    worst = float((checks["error"] / checks["tolerance"]).max())
    headline = {"checks": len(checks), "hold": int(checks["holds"].sum()), "largest_share_of_tolerance": worst}
    return Collected(metrics=summarise(checks), headline=headline, tables={"lemmas": checks}, runs=runs)
