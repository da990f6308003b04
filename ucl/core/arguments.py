"""What callers give besides matrices: counts, flags, tolerances and precisions, checked in a line."""

import math
from typing import Any

import numpy as np
import torch

from ucl.errors import InputError

__all__ = ["check_count", "checked_dtype", "checked_flag", "checked_tolerance", "is_whole"]


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_count(value: Any, name: str, most: int, what: str) -> None:
    """Raise InputError unless `value` is a whole number from 1 to `most`, the number of `what`."""
    if not is_whole(value) or not 1 <= value <= most:
        raise InputError(f"{name} must be a whole number between 1 and the number of {what}, {most}: got {value}")


def checked_flag(value: Any, name: str) -> bool:
    """A flag: anything else, "no" for instance, would count as True."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} must be True or False: got {value!r}")
    return bool(value)


def checked_tolerance(value: Any) -> float:
    """A tolerance in nats."""
    number = float(value) if isinstance(value, int | float | np.number) and not isinstance(value, bool) else math.nan
    if not 0 < number < math.inf:
        raise InputError(f"tolerance must be positive and finite, in nats: got {value!r}")
    return number


def checked_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """The precision of a bridge."""
    known = {"float32": torch.float32, "float64": torch.float64}
    name = str(dtype).removeprefix("torch.")
    if name not in known:
        raise InputError(f"dtype must be float32 or float64: got {dtype}")
    return known[name]
