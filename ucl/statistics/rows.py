"""Rows of tables with intervals: their columns, and the resamples that a bootstrap of one row takes."""

import zlib

import numpy as np

from ucl.statistics.intervals import Interval

__all__ = ["named", "random_of"]


def named(name: str, interval: Interval) -> dict[str, float]:
    """Three columns: the value, and the ends of its interval."""
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def random_of(*keys: object) -> np.random.Generator:
    """The same resamples for the same row of a table, whatever else is in it."""
    return np.random.default_rng([zlib.crc32(str(key).encode()) for key in keys])
