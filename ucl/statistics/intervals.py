"""95 % intervals, once each: Student's for a mean, the binomial one for a share, stratified bootstrap for the rest."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import t, trim_mean

__all__ = ["NORMAL", "Interval", "bootstrap_mean", "interquartile_mean", "share_half_width", "student_half_width"]

CONFIDENCE = 0.95
NORMAL = 1.96  # standard deviations


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


def interquartile_mean(
    scores: Float[np.ndarray, "seeds tasks"], random: np.random.Generator, resamples: int = 1000
) -> Interval:
    """Mean of the middle half of all (seed, task) scores, with a percentile interval by stratified bootstrap.

    Seeds are resampled within every task (Agarwal et al. 2021).
    """
    seeds, tasks = scores.shape
    rows = random.integers(seeds, size=(resamples, seeds, tasks))
    draws = scores[rows, np.arange(tasks)].reshape(resamples, -1)
    means = trim_mean(draws, 0.25, axis=1)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    value = float(trim_mean(scores, 0.25, axis=None))
    return Interval(value, min(float(low), value), max(float(high), value))


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
    return float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std() / len(values) ** 0.5)


def share_half_width(share: Any, count: Any) -> Any:
    """Half-width of the interval of a share of `count` trials, by the normal law; numbers, arrays or series."""
    return NORMAL * (share * (1 - share) / count) ** 0.5
