"""Metrics, table and runs of `lemmas`."""

from typing import Any

import pandas as pd

__all__ = ["summarise"]


def summarise(checks: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """`{check: {error, tolerance, holds}}`."""
    rows = checks.to_dict("records")
    return {r["check"]: {"error": r["error"], "tolerance": r["tolerance"], "holds": bool(r["holds"])} for r in rows}
