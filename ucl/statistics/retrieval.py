"""Retrieval: candidates of which one is right, and ranks and recall in which a tie counts its expected rank."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ucl.runtime import generator
from ucl.statistics.cutoffs import KS

__all__ = [
    "candidate_sets",
    "centred_error",
    "expected_rank",
    "mean_recalls",
    "median_rank",
    "recall",
    "recall_at_k",
    "recall_in_groups",
    "recall_of_groups",
    "sample_sets",
]


def expected_rank(scores: Float[Tensor, "*s n k"]) -> Float[Tensor, "*s n"]:
    """Rank (1 is best) of candidate i for query i, of n queries and at least as many candidates.

    Candidates that tie with it share their mean rank. A NaN, as target or as candidate, ranks above the target: it
    never makes a hit.
    """
    return _rank(scores.diagonal(dim1=-2, dim2=-1), scores)


def _rank(target: Float[Tensor, "*s n"], scores: Float[Tensor, "*s n k"]) -> Float[Tensor, "*s n"]:
    """Expected rank of a target among the scores of its row, one of which is its own."""
    above = (~(scores <= target[..., None])).sum(-1)
    not_below = (~(scores < target[..., None])).sum(-1)  # those above, the ties, and the target itself
    return above + (not_below - above + 1) / 2


def recall_at_k(scores: Float[Tensor, "*s n k"], k: int) -> Float[Tensor, "*s"]:
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


def recall_of_groups(
    score: Callable[[Tensor, Tensor], Tensor], a: Float[Tensor, "n d1"], c: Float[Tensor, "n d2"], candidates: int
) -> float:
    """`recall_in_groups` at 1 of a way to score, which is asked for the blocks alone; row i of `a` belongs to `c`'s."""
    blocks = [slice(i, i + candidates) for i in range(0, len(a) - candidates + 1, candidates)]
    scores = torch.stack([score(a[rows], c[rows]) for rows in blocks])
    return float((expected_rank(scores) <= 1).double().mean())


def centred_error(scores: Float[Tensor, "*s n k"], exact: Float[Tensor, "*s n k"]) -> Float[Tensor, "*s"]:
    """Mean absolute error of log ratios (nats) after removing the constant per anchor that InfoNCE leaves free.

    Rows are anchors; their free constant is the mean difference over the candidates.
    """
    difference = scores - exact
    return (difference - difference.mean(-1, keepdim=True)).abs().mean((-2, -1))


def candidate_sets(
    query_labels: Sequence[str], candidate_labels: Sequence[str], size: int, draws: torch.Generator
) -> Int[Tensor, "n size"] | None:
    """For each query a set of candidates: one with its label, first, and `size - 1` with others.

    The others are spread over the other labels as evenly as can be: ten candidates of ten digits are one of each. None
    where there are too few.
    """
    labels = np.asarray(candidate_labels)
    order = torch.randperm(len(labels), generator=draws).numpy()
    turn = _turns(labels[order])
    order = order[np.argsort(turn, kind="stable")]
    sets = {}
    for label in set(query_labels):
        same = labels[order] == label
        if not same.any() or (~same).sum() < size - 1:
            return None
        sets[label] = np.concatenate([order[same][:1], order[~same][: size - 1]])
    return torch.as_tensor(np.stack([sets[label] for label in query_labels]))


def _turns(labels: np.ndarray) -> np.ndarray:
    """Which of its label each one is: 0 for the first, 1 for the second, ..."""
    seen: Counter[str] = Counter()
    turns = []
    for label in labels.tolist():
        turns.append(seen[label])
        seen[label] += 1
    return np.array(turns, dtype=np.int64)


def recall(scores: Float[Tensor, "n k"], sets: Int[Tensor, "n size"]) -> Float[Tensor, "3"]:
    """Recall@1, @5 and @10 of the first candidate of each set; ties and NaN as in `expected_rank`."""
    chosen = scores.gather(1, sets)
    rank = _rank(chosen[:, 0], chosen)
    return torch.stack([(rank <= k).double().mean() for k in KS])


def mean_recalls(scores: Sequence[Float[Tensor, "n k"]], sets: Sequence[Int[Tensor, "n size"]]) -> dict[str, float]:
    """`recall` by its columns, recall_at_1, recall_at_5 and recall_at_10: the mean over all scores and all sets."""
    means = torch.stack([recall(one, drawn) for one in scores for drawn in sets]).mean(0)
    return {f"recall_at_{k}": value for k, value in zip(KS, means.tolist(), strict=True)}


def sample_sets(
    queries: Sequence[str], candidates: Sequence[str], size: int, draws: int, seed: int
) -> list[Int[Tensor, "n size"]]:
    """`draws` candidate sets; an empty list where there are too few candidates."""
    sets = [candidate_sets(queries, candidates, size, generator(seed, 5, size, draw)) for draw in range(draws)]
    return [one for one in sets if one is not None]
