"""What the paper claims of the size of the bank, and what holds (C.1, Fig. 5)."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from ucl.experiments.verdicts import Answer, above, every, mean, verdict
from ucl.reporting.claims import Claim
from ucl.statistics.intervals import Interval

__all__ = ["claims"]


def claims(metrics: Mapping[str, Any], params: Mapping[str, Any], csv: Callable[[str], pd.DataFrame]) -> list[Claim]:
    """Models whose direct comparison is defined."""
    models = {name: found for name, found in metrics.items() if "direct" in found}
    if not models:
        return []
    numbers = [
        f"{name}: {_last(found, params['trials']).value:.2f} at {params['largest']:,}, direct {found['direct']:.2f}"
        for name, found in models.items()
    ]
    return [
        Claim(
            "Fig. 5",
            "LogSumExp over a bank drawn uniformly on the sphere converges to direct comparison.",
            verdict(every(_reaches(found, params["trials"]) for found in models.values())),
            "; ".join(numbers),
            "scaling_recall",
        )
    ]


def _reaches(found: Mapping[str, Any], trials: int) -> Answer:
    """Level with direct at some size; where it is not but still rises over the last decade, larger banks must tell."""
    if found["meets_direct"]["uniform"] is not None:
        return True
    sizes = sorted(map(int, found["uniform"]))
    decade = max((size for size in sizes if 10 * size <= sizes[-1]), default=sizes[0])
    rises = above(_last(found, trials), mean(found["uniform"][str(decade)], trials))
    return None if rises or rises is None else False


def _last(found: Mapping[str, Any], trials: int) -> Interval:
    """At the largest size."""
    return mean(found["uniform"][str(max(map(int, found["uniform"])))], trials)
