"""What the paper claims of the language-conditioned agent, and what holds (6.3, D)."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from ucl.experiments.verdicts import of_seeds, verdict
from ucl.reporting.claims import Claim

__all__ = ["claims"]

LEFT = 0.9  # of the walks


def claims(metrics: Mapping[str, Any], params: Mapping[str, Any], csv: Callable[[str], pd.DataFrame]) -> list[Claim]:
    """The fork, which the paper shows, and the other mazes beside it."""
    gains = csv("maze_claims").set_index("maze")
    first = csv("maze_first_column").set_index("policy")
    left, right = first.left_first["monte_carlo"], first.right_first["direct"]
    rows = [
        Claim(
            "6.3, Fig. 9",
            "Told “the first column” in the fork, direct comparison leaves to the right and LogSumExp goes left.",
            verdict(of_seeds(bool(left >= LEFT and right >= LEFT), params["seeds"])),
            f"{100 * left:.0f} % of LogSumExp's walks left, {100 * right:.0f} % of direct's right",
            "maze_paths",
        )
    ]
    return [*rows, _ambiguous(gains, params["seeds"])]


def _ambiguous(gains: pd.DataFrame, seeds: int) -> Claim:
    better, worse = gains.index[gains.success_gain_low > 0], gains.index[gains.success_gain_high < 0]
    detours = gains.index[gains.spl_gain_high < 0]
    least, most = gains.success_gain.min(), gains.success_gain.max()
    everywhere = len(better) == len(gains) and not len(detours)
    return Claim(
        "D, Figs. 10 to 13",
        "On ambiguous instructions LogSumExp succeeds more often than direct comparison.",
        verdict(of_seeds(everywhere, seeds), len(better) > 0 and not len(worse)),
        f"better in {len(better)} of {len(gains)} mazes, by {least:.2f} to {most:.2f}",
        "maze_success",
        note=f"In {len(detours)} of {len(gains)} mazes by longer ways." if len(detours) else "",
    )
