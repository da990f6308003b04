"""What is new: a student from few samples, and an index that finds what the exact bridge finds."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from ucl.experiments.verdicts import of_seeds, verdict
from ucl.reporting.claims import Claim
from ucl.reporting.names import METHOD_LABELS

__all__ = ["claims"]

BEHIND = 0.02  # of Recall@1
FOUND = 0.95  # of the exact ten best


def claims(metrics: Mapping[str, Any], params: Mapping[str, Any], csv: Callable[[str], pd.DataFrame]) -> list[Claim]:
    """Few samples, and the index."""
    behind, refuses = metrics["few"]["worst_behind"], metrics["few"]["refuses"]
    said = "refuses everywhere" if behind is None else f"{behind:.3f} behind at most; refuses {100 * refuses:.0f} %"
    deepest = {way: rows[-1] for way, rows in metrics["index"].items()}
    found = {way: row["recall"] for way, row in deepest.items()}
    return [
        Claim(
            "distillation",
            "With few samples a student is level with the best choice, or refuses in words.",
            verdict(of_seeds(behind is None or behind <= BEHIND, params["seeds"])),
            said,
            "distillation_curves",
            new=True,
        ),
        Claim(
            "distillation",
            f"An index of {params['index']['candidates']:,} candidates finds the exact bridge's ten best.",
            verdict(min(found.values()) >= FOUND, max(found.values()) >= FOUND),
            "; ".join(f"{METHOD_LABELS.get(way, way)} {row['recall']:.2f}" for way, row in deepest.items()),
            "distillation_index",
            note=f"Of {max(row['depth'] for row in deepest.values()):,} that are reranked.",
            new=True,
        ),
    ]
