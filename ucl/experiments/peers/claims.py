"""What is new: which bridge, where the truth is known."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from ucl.experiments.verdicts import above, every, mean, of_seeds, told, verdict
from ucl.reporting.claims import Claim
from ucl.statistics.intervals import Interval

__all__ = ["claims"]

HARM = 0.01  # of Recall@1: what normalising may cost
BEHIND = 0.015  # of Recall@1: what the one bridge for all worlds may lose against the best of each


def claims(metrics: Mapping[str, Any], params: Mapping[str, Any], csv: Callable[[str], pd.DataFrame]) -> list[Claim]:
    """Normalising, and the distilled bridge."""
    worlds = {
        world: {name: mean(entry, params["seeds"]) for name, entry in methods.items()}
        for world, methods in metrics.items()
        if world != "xor"  # at chance, whoever scores
    }
    if not worlds:
        return []
    gains = {w: m["monte_carlo_normalized"].value - m["monte_carlo"].value for w, m in worlds.items()}
    harmless = [above(m["monte_carlo_normalized"], m["monte_carlo"], -HARM) for m in worlds.values()]
    normalised = Claim(
        "peers",
        f"Where the truth is known, normalising a score per anchor nowhere costs more than {HARM}.",
        verdict(every(harmless)),
        f"gains {min(gains.values()):.2f} to {max(gains.values()):.2f} over {len(worlds)} worlds",
        "peers_losses",
        new=True,
    )
    if not all("distilled" in methods for methods in worlds.values()):
        return [normalised]
    return [normalised, _one_for_all(csv("peers_all"), params["seeds"]), *_two_black_boxes(worlds)]


def _one_for_all(table: pd.DataFrame, seeds: int) -> Claim:
    behind = table[(table.method == "distilled") & (table.world != "xor")].behind_best
    return Claim(
        "peers",
        "The distilled bridge, two maps that any vector index holds, is level with the best bridge of each world.",
        verdict(of_seeds(bool(behind.max() <= BEHIND), seeds)),
        f"behind by {behind.max():.3f} at most, {behind.mean():.3f} in the mean of {len(behind)} worlds",
        "peers_losses",
        new=True,
    )


def _two_black_boxes(worlds: Mapping[str, Mapping[str, Interval]]) -> list[Claim]:
    if "disparate" not in worlds:
        return []
    own = worlds["disparate"]
    return [
        Claim(
            "peers",
            "Held out, two black boxes are better joined by the distilled bridge than by LogSumExp.",
            verdict(above(own["distilled"], own["monte_carlo_normalized"])),
            f"{told(own['distilled'])} distilled, {told(own['monte_carlo_normalized'])} LogSumExp",
            "peers_losses",
            new=True,
        )
    ]
