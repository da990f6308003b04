"""95 % intervals, once each: Student's for a mean, the binomial one for a share, stratified bootstrap for the rest.

The bootstrap of an interquartile mean has a module of its own, `ucl.statistics.interquartile`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit  # Student's quantiles, without the second that scipy.stats takes to load

__all__ = ["CONFIDENCE", "NORMAL", "Interval", "bootstrap_mean", "share_half_width", "student_half_width"]

CONFIDENCE = 0.95
NORMAL = 1.96  # standard deviations


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


def bootstrap_mean(
    values: Float[np.ndarray, "seeds tasks"], random: np.random.Generator, resamples: int = 1000
) -> Interval:
    """Mean with a percentile interval by stratified bootstrap: seeds are resampled within every task."""
    seeds, tasks = values.shape
    draws = values[random.integers(seeds, size=(resamples, seeds, tasks)), np.arange(tasks)].mean(axis=(1, 2))
    low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def student_half_width(values: Any) -> float:
    """Half-width of the mean's interval by Student's t for a pandas Series; 0 for a single value, which has none."""
    if len(values) < 2:
        return 0.0
    return float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2) * values.std() / len(values) ** 0.5)


def share_half_width(share: Any, count: Any) -> Any:
    """Half-width of the interval of a share of `count` trials, by the normal law; numbers, arrays or series."""
    return NORMAL * (share * (1 - share) / count) ** 0.5
