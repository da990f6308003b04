"""Monte Carlo within small groups of candidates: what a learning curve needs thousands of times.

For a grid of any size, certified to the last digit, use `ucl.Bridge`.
"""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from ucl.core.exponential import exp_, log_sum_exp

__all__ = ["GroupLogSums", "log_sums_of_group"]

LOSS = 2.0**-20  # relative loss to underflow up to which a sum is taken as it is
SMALLEST = 2.0**-126  # float32; denormals may be flushed to zero


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
    e = exp_(scores_ab - row_maxima[:, None])
    f = exp_(scores_cb - column_maxima[:, None])
    products = e @ f.T
    doubtful = products < 4 * scores_ab.shape[1] * SMALLEST / LOSS
    pairs = products.log_() + row_maxima[:, None] + column_maxima
    if doubtful.any():
        i, j = doubtful.nonzero(as_tuple=True)
        pairs[i, j] = log_sum_exp(scores_ab[i].add_(scores_cb[j]))
    return GroupLogSums(pairs, e.sum(1).log() + row_maxima, f.sum(1).log() + column_maxima)
