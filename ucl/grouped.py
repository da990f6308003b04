"""Monte Carlo within small groups of candidates: what a learning curve needs thousands of times.

For a grid of any size, certified to the last digit, use `ucl.Bridge`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.critics import CRITICS, Critic
from ucl.exponential import exp_, log_sum_exp
from ucl.metrics import expected_rank

__all__ = ["MONTE_CARLO", "GroupLogSums", "Side", "log_sums_of_group", "monte_carlo_recalls"]

MONTE_CARLO = ("monte_carlo_unscaled", "monte_carlo", "monte_carlo_normalized")

LOSS = 2.0**-20  # relative loss to underflow up to which a sum is taken as it is
SMALLEST = 2.0**-126  # float32; denormals may be flushed to zero


class Side(NamedTuple):
    """One model's view: S critics, and the embeddings that they compare, one set per seed."""

    critic: Critic
    points: Float[Tensor, "s n d"]  # queries in one model, candidates in the other
    bank: Float[Tensor, "s m d"]


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


def monte_carlo_recalls(ab: Side, bc: Side, candidates: int) -> dict[str, Float[Tensor, " s"]]:
    """Recall@1 among groups of `candidates`, per seed: without scales, with them, and normalised per anchor.

    Within groups only: at 1,000 points and 32 candidates 1/31 of the products of the whole grid.
    """
    scales = [torch.as_tensor(side.critic.scale) for side in (ab, bc)]
    hits: dict[str, list[Tensor]] = {method: [] for method in MONTE_CARLO}
    for seed in range(len(ab.points)):
        ranks = _ranks_by_method((ab, bc), [scale[seed] for scale in scales], seed, candidates)
        for method, values in ranks.items():
            hits[method].append((torch.cat(values) <= 1).double().mean())
    return {method: torch.stack(values) for method, values in hits.items()}


def _ranks_by_method(
    sides: Sequence[Side], scales: Sequence[Tensor], seed: int, candidates: int
) -> dict[str, list[Tensor]]:
    ranks: dict[str, list[Tensor]] = {method: [] for method in MONTE_CARLO}
    for start in range(0, sides[0].points.shape[1] - candidates + 1, candidates):  # one group stays in the cache
        rows = slice(start, start + candidates)
        plain = [CRITICS[s.critic.name].similarity(s.points[seed, rows], s.bank[seed]) for s in sides]
        unscaled = log_sums_of_group(*plain)
        scaled = log_sums_of_group(*(scale * scores for scale, scores in zip(scales, plain, strict=True)))
        normalized = scaled.pairs - scaled.rows[:, None] - scaled.columns
        for method, scores in zip(MONTE_CARLO, (unscaled.pairs, scaled.pairs, normalized), strict=True):
            ranks[method].append(expected_rank(scores))
    return ranks
