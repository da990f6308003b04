"""What is new: a verdict on which way to join two models, and how often it is right."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from ucl.experiments.verdicts import of_seeds, verdict
from ucl.reporting.claims import Claim

__all__ = ["claims"]

MEAN, WORST, ERROR, COVERAGE = 0.01, 0.03, 0.05, 0.85  # fixed before the experiment was run


def claims(metrics: Mapping[str, Any], params: Mapping[str, Any], csv: Callable[[str], pd.DataFrame]) -> list[Claim]:
    """The choice, and the predicted recall."""
    regrets = [choice["regret"] for choice in metrics["choice"].values()]
    average, worst = sum(regrets) / len(regrets), max(regrets)
    predicted, seeds = metrics["predicted"], params["seeds"]
    chosen = average <= MEAN and worst <= WORST
    level = predicted["mean_absolute_error"] <= ERROR and predicted["coverage"] >= COVERAGE
    return [
        Claim(
            "diagnosis",
            "Without a pair of A and C, ucl diagnose names the way to join two models.",
            verdict(of_seeds(chosen, seeds)),
            f"loses {average:.3f} of Recall@1 on average, {worst:.3f} in the worst of {len(regrets)} worlds",
            "diagnosis_choice",
            new=True,
        ),
        Claim(
            "diagnosis",
            "It predicts the recall to be expected of each.",
            verdict(of_seeds(level, seeds)),
            f"off by {predicted['mean_absolute_error']:.3f}; its intervals hold in {100 * predicted['coverage']:.1f} %",
            "diagnosis_recall",
            new=True,
        ),
    ]
