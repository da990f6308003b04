"""Retrieval among candidates of which one is right: how they are drawn, and what counts as found."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ucl.runtime import generator

__all__ = ["KS", "candidate_sets", "draw_sets", "recall"]

KS = (1, 5, 10)


def candidate_sets(
    query_labels: Sequence[str], candidate_labels: Sequence[str], size: int, draws: torch.Generator
) -> Int[Tensor, "n size"] | None:
    """For each query a set of candidates: one with its label, first, and `size - 1` with others.

    The others are spread over the other labels as evenly as can be: ten candidates of ten digits are one of each. None
    where there are too few.
    """
    labels = np.asarray(candidate_labels)
    order = torch.randperm(len(labels), generator=draws).numpy()
    turn = pd.Series(labels[order]).groupby(labels[order]).cumcount().to_numpy()  # first of its label, second, ...
    order = order[np.argsort(turn, kind="stable")]
    sets = {}
    for label in set(query_labels):
        same = labels[order] == label
        if not same.any() or (~same).sum() < size - 1:
            return None
        sets[label] = np.concatenate([order[same][:1], order[~same][: size - 1]])
    return torch.as_tensor(np.stack([sets[label] for label in query_labels]))


def recall(scores: Float[Tensor, "n k"], sets: Int[Tensor, "n size"]) -> Float[Tensor, "3"]:
    """Recall@1, @5 and @10 of the first candidate of each set; a tie counts its expected rank."""
    chosen = scores.gather(1, sets)
    target, others = chosen[:, :1], chosen[:, 1:]
    rank = 1 + (others > target).sum(1) + (others == target).sum(1) / 2
    return torch.stack([(rank <= k).double().mean() for k in KS])


def draw_sets(
    queries: Sequence[str], candidates: Sequence[str], size: int, draws: int, seed: int
) -> list[Int[Tensor, "n size"]]:
    """`draws` candidate sets; an empty list where there are too few candidates."""
    sets = [candidate_sets(queries, candidates, size, generator(seed, 5, size, draw)) for draw in range(draws)]
    return [one for one in sets if one is not None]
