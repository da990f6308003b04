"""Every method's Recall@1 on the embeddings of stacked models, within small groups of candidates, seed by seed."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.critics import CRITICS, Critic
from ucl.core.small_groups import log_sums_of_group
from ucl.learning.model_pairs import Embedded
from ucl.reporting.keys import MONTE_CARLO
from ucl.statistics.retrieval import expected_rank, recall_in_groups

__all__ = ["Side", "method_recalls", "monte_carlo_recalls"]


class Side(NamedTuple):
    """One model's view: S critics, and the embeddings that they compare, one set per seed."""

    critic: Critic
    points: Float[Tensor, "s n d"]  # queries in one model, candidates in the other
    bank: Float[Tensor, "s m d"]


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


def method_recalls(embedded: Embedded, candidates: int) -> dict[str, Float[Tensor, " s"]]:
    """Recall@1 among `candidates` per seed: direct (the narrower embedding padded with zeros), three Monte Carlos."""
    width = max(embedded.a.shape[-1], embedded.c.shape[-1])
    a, c = (torch.nn.functional.pad(x, (0, width - x.shape[-1])) for x in (embedded.a, embedded.c))
    recalls = {"direct": recall_in_groups(embedded.bc(a, c), candidates)}
    sides = Side(embedded.ab, embedded.a, embedded.for_a), Side(embedded.bc, embedded.c, embedded.for_c)
    return recalls | monte_carlo_recalls(*sides, candidates)
