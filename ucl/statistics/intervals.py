"""Intervals: Student's for a mean over seeds, stratified bootstrap for interquartile means."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import t, trim_mean

__all__ = ["Interval", "interquartile_mean"]

CONFIDENCE = 0.95


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


def half_width(values: pd.Series) -> float:
    """Half-width of the mean's 95 % interval; 0 for a single value, which has none."""
    if len(values) < 2:
        return 0.0
    return float(t.ppf(0.975, len(values) - 1) * values.std() / len(values) ** 0.5)
