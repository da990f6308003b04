"""The weights of a bank's samples, and which of them belong to equal samples."""

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ucl.errors import InputError

__all__ = ["checked_weights", "distinct_samples", "pool"]

LARGEST = 1e154  # a sum of weights whose square is within float64


def checked_weights(weights: Any, samples: int) -> Float[Tensor, " m"]:
    """Weights as a copy in float64, checked."""
    given = weights if isinstance(weights, Tensor) else np.asarray(weights)
    if isinstance(weights, np.ma.MaskedArray) or given.ndim != 1 or len(given) != samples:
        kind = f"{type(weights).__name__} of shape {list(given.shape)}"
        raise InputError(f"weights must be a plain vector of {samples} numbers, one per sample: got {kind}")
    if isinstance(given, Tensor) and given.requires_grad:
        raise InputError("weights must be fixed numbers: got a tensor that requires gradients; use .detach()")
    try:
        values = torch.as_tensor(given).detach().to("cpu", torch.float64, copy=True)
    except (TypeError, ValueError):
        raise InputError(f"weights must be numbers: got {given.dtype}; use numpy.asarray") from None
    if not bool(((values > 0) & torch.isfinite(values)).all()):
        raise InputError("weights must be positive and finite: leave out samples that do not count")
    if not float(values.sum()) < math.inf:
        raise InputError("weights must add up within the range of float64: divide them by their mean")
    return values


def distinct_samples(total: float, squared: float) -> float:
    """The number of samples of one weight that would be worth as much: the square of the sum by the sum of squares.

    Raises InputError where float64 holds no squares of such weights.
    """
    if not (total < LARGEST and 0 < squared < math.inf):
        raise InputError("errors need weights whose squares are within the range of float64: divide them by their mean")
    return total**2 / squared


def pool(hashes: np.ndarray, weights: Float[Tensor, " m"] | None) -> Float[Tensor, " m"] | None:
    """The weight of all samples with the same hash as each; None where no two are alike and there are no weights."""
    distinct, which = np.unique(hashes, return_inverse=True)
    if len(distinct) == len(hashes):
        return weights
    counts = np.bincount(which, None if weights is None else weights.numpy())
    return torch.from_numpy(counts[which].astype(np.float64))
