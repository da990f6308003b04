"""The interquartile mean over seeds and tasks, with its 95 % interval."""

import numpy as np
from jaxtyping import Float
from scipy.stats import trim_mean

from ucl.statistics.intervals import CONFIDENCE, Interval

__all__ = ["interquartile_mean"]


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
