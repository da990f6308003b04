"""Retrieval metrics in which a tie counts its expected rank, never a hit."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["centred_error", "expected_rank", "median_rank", "recall_at_k", "recall_in_groups"]


def expected_rank(scores: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s n"]:
    """Rank (1 is best) of candidate i for query i; candidates that tie with it share their mean rank.

    A NaN, as target or as candidate, ranks above the target: it never makes a hit.
    """
    target = scores.diagonal(dim1=-2, dim2=-1)[..., None]
    above = (~(scores <= target)).sum(-1)
    not_below = (~(scores < target)).sum(-1)  # those above, the ties, and the target itself
    return above + (not_below - above + 1) / 2


def recall_at_k(scores: Float[Tensor, "*s n n"], k: int) -> Float[Tensor, "*s"]:
    """Share of queries whose own candidate has an expected rank of at most `k`."""
    return (expected_rank(scores) <= k).to(scores.dtype).mean(-1)


def median_rank(scores: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s"]:
    """Median expected rank over the queries."""
    return expected_rank(scores).to(scores.dtype).quantile(0.5, dim=-1)


def recall_in_groups(scores: Float[Tensor, "*s n n"], candidates: int, k: int = 1) -> Float[Tensor, "*s"]:
    """Recall@k where query i competes only within its block of `candidates` consecutive items (section 6.1: 32).

    A last, shorter block is left out, so that every query has the same number of candidates.
    """
    groups = scores.shape[-1] // candidates
    blocks = [scores[..., i : i + candidates, i : i + candidates] for i in range(0, groups * candidates, candidates)]
    return recall_at_k(torch.stack(blocks, dim=-3), k).mean(-1)


def centred_error(scores: Float[Tensor, "*s n k"], exact: Float[Tensor, "*s n k"]) -> Float[Tensor, "*s"]:
    """Mean absolute error of log ratios (nats) after removing the constant per anchor that InfoNCE leaves free.

    Rows are anchors; their free constant is the mean difference over the candidates.
    """
    difference = scores - exact
    return (difference - difference.mean(-1, keepdim=True)).abs().mean((-2, -1))
