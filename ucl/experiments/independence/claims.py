"""What the paper claims of a broken Assumption 1, and what holds (C.4, Fig. 8)."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from ucl.experiments.verdicts import above, level, mean, told, verdict
from ucl.reporting.claims import Claim
from ucl.statistics.intervals import Interval

__all__ = ["claims"]

LOSS = 0.02  # of Recall@1


def claims(metrics: Mapping[str, Any], params: Mapping[str, Any], csv: Callable[[str], pd.DataFrame]) -> list[Claim]:
    """Methods fall with the shared noise; whether it is the broken assumption that costs, an exact scorer says."""
    first, last = (_of(metrics[sd], params["seeds"]) for sd in (next(iter(metrics)), list(metrics)[-1]))
    falls = above(first["monte_carlo_normalized"], last["monte_carlo_normalized"], LOSS)
    costs = level(last["bayes"], last["bayes_assuming_independence"], LOSS)
    as_claimed = None if falls is None or costs is None else falls and not costs
    return [
        Claim(
            "Fig. 8",
            "Noise that A and C share breaks Assumption 1, and all methods fall.",
            verdict(as_claimed, falls),
            f"{told(first['monte_carlo_normalized'])} to {told(last['monte_carlo_normalized'])}; exact under the "
            f"assumption {told(last['bayes_assuming_independence'])}",
            "independence",
            note="They do, but not for that: an exact scorer that assumes independence does not.",
        )
    ]


def _of(methods: Mapping[str, Mapping[str, float]], seeds: int) -> dict[str, Interval]:
    return {name: mean(entry, seeds) for name, entry in methods.items()}
