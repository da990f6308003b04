"""LogSumExp of one small grid over a bank: what a learning curve needs thousands of times.

For a grid of any size, certified to the last digit, use `ucl.Bridge`.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["GroupLogSums", "log_sums_of_group"]

LOSS = 2.0**-20  # relative loss to underflow up to which a sum is taken as it is
SMALLEST = 2.0**-126  # float32; denormals may be flushed to zero
FLOOR = -87.0  # exp of what lies below is smaller than SMALLEST, and many times slower to compute


class GroupLogSums(NamedTuple):
    """Logarithms of sums over the bank."""

    pairs: Float[Tensor, "n k"]  # log sum_i exp(S_ai + T_ci)
    rows: Float[Tensor, " n"]  # log sum_i exp(S_ai)
    columns: Float[Tensor, " k"]  # log sum_i exp(T_ci)


def log_sums_of_group(scores_ab: Float[Tensor, "n m"], scores_cb: Float[Tensor, "k m"]) -> GroupLogSums:
    """Factorised LogSumExp in float32; entries that underflow may have touched are redone term by term.

    Factors below 2^-126 may be off by as much, m of them on each side: a sum that is large beside that is right.
    """
    row_maxima, column_maxima = scores_ab.amax(1), scores_cb.amax(1)
    e = (scores_ab - row_maxima[:, None]).clamp_min_(FLOOR).exp_()
    f = (scores_cb - column_maxima[:, None]).clamp_min_(FLOOR).exp_()
    products = e @ f.T
    doubtful = products < 4 * scores_ab.shape[1] * SMALLEST / LOSS
    pairs = products.log_() + row_maxima[:, None] + column_maxima
    if doubtful.any():
        i, j = doubtful.nonzero(as_tuple=True)
        pairs[i, j] = torch.logsumexp(scores_ab[i] + scores_cb[j], 1)
    return GroupLogSums(pairs, e.sum(1).log() + row_maxima, f.sum(1).log() + column_maxima)
