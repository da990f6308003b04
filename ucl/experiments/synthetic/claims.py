"""What the paper claims of direct comparison and Monte Carlo with one encoder of B, and what holds (Fig. 3)."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from ucl.experiments.verdicts import above, every, level, mean, told, verdict
from ucl.reporting.claims import Claim

__all__ = ["claims"]

AGREE = 0.05  # of Recall@1
FAIL = 0.2


def claims(metrics: Mapping[str, Any], params: Mapping[str, Any], csv: Callable[[str], pd.DataFrame]) -> list[Claim]:
    """One claim a critic."""
    rows = {"l2": _agree, "dot": _inner_product, "cosine": _cosine}
    return [row(metrics) for critic, row in rows.items() if critic in params["critics"]]


def _agree(metrics: Mapping[str, Any]) -> Claim:
    found = {p: {m: mean(e) for m, e in metrics[p]["l2"].items()} for p in ("published", "held_out")}
    same = [level(own["direct"], own["monte_carlo_normalized"], AGREE) for own in found.values()]
    held = found["held_out"]
    return Claim(
        "Fig. 3",
        "With an L2 critic, direct comparison and LogSumExp agree.",
        verdict(every(same)),
        f"{told(held['direct'])} direct, {told(held['monte_carlo_normalized'])} LogSumExp",
        "synthetic_held_out",
    )


def _inner_product(metrics: Mapping[str, Any]) -> Claim:
    held = {m: mean(e) for m, e in metrics["held_out"]["dot"].items()}
    return Claim(
        "Fig. 3",
        "With an inner product, direct comparison fails and LogSumExp does not.",
        verdict(above(held["monte_carlo"], held["direct"], FAIL)),
        f"{told(held['direct'])} direct, {told(held['monte_carlo_normalized'])} LogSumExp",
        "synthetic_held_out",
    )


def _cosine(metrics: Mapping[str, Any]) -> Claim:
    held = {m: mean(e) for m, e in metrics["held_out"]["cosine"].items()}
    return Claim(
        "Fig. 3",
        "With a cosine critic, LogSumExp fails.",
        verdict(above(held["direct"], held["monte_carlo"], FAIL)),
        f"{told(held['monte_carlo_unscaled'])} without the scale, {told(held['monte_carlo'])} with it",
        "synthetic_published",
        note="It was scored without the scale that the critic had learned.",
    )
