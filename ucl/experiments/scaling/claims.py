"""What the paper claims of the size of the bank, and what holds (C.1, Fig. 5)."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from ucl.experiments.verdicts import Answer, above, every, verdict
from ucl.reporting.claims import Claim
from ucl.statistics.intervals import Interval

__all__ = ["claims"]


def claims(metrics: Mapping[str, Any], params: Mapping[str, Any], csv: Callable[[str], pd.DataFrame]) -> list[Claim]:
    """Models whose direct comparison is defined."""
    models = {name: found for name, found in metrics.items() if "direct" in found}
    if not models:
        return []
    numbers = [
        f"{name}: {_last(found).value:.2f} at {params['largest']:,}, direct {found['direct']:.2f}"
        for name, found in models.items()
    ]
    return [
        Claim(
            "Fig. 5",
            "LogSumExp over a bank drawn uniformly on the sphere converges to direct comparison.",
            verdict(every(_reaches(found) for found in models.values())),
            "; ".join(numbers),
            "scaling_recall",
        )
    ]


def _reaches(found: Mapping[str, Any]) -> Answer:
    """Level with direct at some size; where it is not but still rises over the last decade, larger banks must tell."""
    if found["meets_direct"]["uniform"] is not None:
        return True
    sizes = sorted(map(int, found["uniform"]))
    decade = max((size for size in sizes if 10 * size <= sizes[-1]), default=sizes[0])
    rises = above(_last(found), _at(found, decade))
    return None if rises or rises is None else False


def _last(found: Mapping[str, Any]) -> Interval:
    return _at(found, max(map(int, found["uniform"])))


def _at(found: Mapping[str, Any], size: int) -> Interval:
    entry = found["uniform"][str(size)]
    return Interval(entry["recall_at_1"], entry["recall_at_1"] - entry["ci95"], entry["recall_at_1"] + entry["ci95"])
