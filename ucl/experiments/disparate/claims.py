"""What the paper claims of two models that share only the modality, and what holds (section 6.2)."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from ucl.experiments.verdicts import above, every, level, mean, told, verdict
from ucl.reporting.claims import Claim

__all__ = ["claims"]

NEAR = 0.1  # of Recall@1


def claims(metrics: Mapping[str, Any], params: Mapping[str, Any], csv: Callable[[str], pd.DataFrame]) -> list[Claim]:
    """The narrowest pair of models; the wider one stands on the experiment's own page."""
    published, held = (
        {m: mean(e) for m, e in next(iter(metrics[p].values())).items()} for p in ("published", "held_out")
    )
    near = [level(own["monte_carlo"], own["ground_truth"], NEAR) for own in (published, held)]
    return [
        Claim(
            "6.2",
            "Two black boxes that share only the modality: direct comparison is at chance, LogSumExp comes near a "
            "model trained on pairs.",
            verdict(every(near), above(held["monte_carlo"], held["direct"])),
            f"{told(published['monte_carlo'])} with the answer in the bank, {told(held['monte_carlo_normalized'])} "
            f"held out, {told(held['direct'])} direct",
            "disparate",
            note="So it does where the bank holds each query's own B.",
        )
    ]
