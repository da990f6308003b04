"""The three properties that the slides name, each as a comparison with its interval and a yes, a no, or neither."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from ucl.statistics.intervals import Interval, bootstrap_mean
from ucl.statistics.rows import random_of

__all__ = ["EXPLORATION", "INTERPOLATION", "NEITHER", "TRIANGLES", "YES", "tabulate_properties"]

BROKEN = 0.01  # the share of triangles that a metric may break
YES, NO, NEITHER = "yes", "no", "not in these mazes"
EXPLORATION, INTERPOLATION, TRIANGLES = "emergent exploration", "planning by interpolation", "triangle inequality"


def answer(interval: Interval) -> str:
    """Whether a difference is above 0, below it, or neither."""
    return YES if interval.low > 0 else NO if interval.high < 0 else NEITHER


def tabulate_properties(seeking: pd.DataFrame, planning: pd.DataFrame, comparison: pd.DataFrame) -> pd.DataFrame:
    """One row per property and comparison: property, what, value, low, high, answer."""
    rows = [*_exploration(seeking), *_interpolation(planning), *_triangles(comparison)]
    return pd.DataFrame(rows, columns=["property", "what", "value", "low", "high", "answer"])


def _exploration(seeking: pd.DataFrame) -> list[tuple[Any, ...]]:
    """The agent with one goal against the others, agent by agent: squares seen, the mean over rounds; and arrival.

    Arrival counts by ranks: 1 if the agent with one goal arrives earlier, -1 if later, 0 if neither does first.
    """
    rows = []
    for other in ("visited", "random_walk"):
        seen = {name: _covered(seeking, name) for name in ("one_goal", other)}
        gain = bootstrap_mean(seen["one_goal"] - seen[other], random_of(other, "coverage"))
        rows.append(_row(EXPLORATION, f"squares seen, one goal minus {other}", gain))
        first = {name: _arrivals(seeking, name) for name in ("one_goal", other)}
        order = (first["one_goal"] < first[other]) * 1.0 - (first["one_goal"] > first[other])
        earlier = bootstrap_mean(order[:, None], random_of(other, "arrival"))
        rows.append(_row(EXPLORATION, f"earlier at the goal than {other}", earlier))
    return rows


def _interpolation(planning: pd.DataFrame) -> list[tuple[Any, ...]]:
    rows = []
    for own in planning.to_dict("records"):
        gain = Interval(own["success_gain"], own["success_gain_low"], own["success_gain_high"])
        rows.append(_row(INTERPOLATION, f"success in {own['maze']}, way-points minus straight", gain))
    return rows


def _triangles(comparison: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Yes where the whole interval of the share of broken triangles is below `BROKEN`, no where it is above."""
    rows = []
    for own in comparison.to_dict("records"):
        share = Interval(own["broken"], own["broken_low"], own["broken_high"])
        less = Interval(BROKEN - share.value, BROKEN - share.high, BROKEN - share.low)
        what = f"triangles broken, {own['critic']} with {own['objective']}"
        rows.append((TRIANGLES, what, share.value, share.low, share.high, answer(less)))
    return rows


def _row(name: str, what: str, interval: Interval) -> tuple[Any, ...]:
    return name, what, interval.value, interval.low, interval.high, answer(interval)


def _covered(seeking: pd.DataFrame, collector: str) -> Float[np.ndarray, "seeds 1"]:
    own = seeking[seeking["collector"] == collector]
    return own.groupby("seed")[["coverage"]].mean().to_numpy()


def _arrivals(seeking: pd.DataFrame, collector: str) -> Float[np.ndarray, " seeds"]:
    own = seeking[seeking["collector"] == collector]
    return own.groupby("seed")["arrival"].first().fillna(np.inf).to_numpy()
