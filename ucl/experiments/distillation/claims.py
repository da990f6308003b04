"""What is new: a student from few samples, and an index that finds what the exact bridge finds."""

from collections.abc import Callable, Mapping, Sequence
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
    few = {scene: entry["worst"] for scene, entry in metrics["few"].items()}
    missed = [scene for scene, worst in few.items() if worst and worst["behind"] > BEHIND]
    deepest = {way: rows[-1] for way, rows in metrics["index"].items()}
    found = {way: row["recall"] for way, row in deepest.items()}
    return [
        Claim(
            "distillation",
            "With few samples a student is level with the best choice, or refuses in words.",
            verdict(of_seeds(not missed, params["seeds"]), len(missed) < len(few)),
            _said(few, missed),
            "distillation_few",
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


def _said(few: Mapping[str, Any], missed: Sequence[str]) -> str:
    """How far behind, where it is furthest, and in how many worlds it is within what is allowed."""
    told = {scene: worst["behind"] for scene, worst in few.items() if worst}
    if not told:
        return "refuses everywhere"
    furthest = max(told, key=lambda scene: told[scene])
    within = f"{len(told) - len(missed)} of {len(told)} worlds within {BEHIND}"
    silent = f"; refuses in {len(few) - len(told)} more" if len(told) < len(few) else ""
    return f"{told[furthest]:.3f} behind at most ({furthest}), {within}{silent}"
