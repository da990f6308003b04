"""What the answers to queries look like: carried by samples of the bank, or not; won by everyone, or by a few."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ucl.core.critics import Critic
from ucl.core.pareto import TRUSTED, pareto_shape
from ucl.trust.findings import Finding

__all__ = ["coverage", "hubs", "over_bank"]

ALONE = 2.0  # effective samples: an answer of fewer rests on one
MOST = 0.5  # of the answers
NEAREST = 10  # answers of a query that count as occurrences of a candidate


def over_bank(critic: Critic, anchors: Float[Tensor, "n d"], rows: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """The critic of every anchor with every row of the bank."""
    return critic.number * critic.compare(anchors.float(), rows)


def coverage(log_weights: Float[Tensor, "n m"], name: str, what: str) -> Finding:
    """Whether answers rest on enough samples: effective samples, and the shape of the largest weights."""
    shape = pareto_shape(log_weights)
    effective = 1 / log_weights.double().softmax(1).square().sum(1)
    alone, untrusted = (float(part.double().mean()) for part in (effective < ALONE, shape > TRUSTED))
    numbers = {
        "on_one_sample": alone,
        "shape_above_0.7": untrusted,
        "effective_samples": float(effective.median()),
        "answers": len(effective),
    }
    text = f"{what}: {alone:.0%} rest on one sample of the bank, {untrusted:.0%} on too few for a standard error."
    if alone <= MOST:  # a heavy tail alone is the rule with sharp critics: `reliable` tells it answer by answer
        return Finding(name, "ok", text, "", numbers)
    remedy = "the bank does not cover these queries: give more samples like them, or look at the scales"
    return Finding(name, "warning", text, remedy, numbers)


def hubs(grid: Float[Tensor, "n k"]) -> Finding:
    """Whether few candidates win most queries (skewness of k-occurrences: Radovanovic et al. 2010)."""
    n, k = grid.shape
    wins = _counts(grid, 1)
    occurrences = _counts(grid, min(NEAREST, k)).double()
    spread = occurrences.std(unbiased=False)
    skewness = float(((occurrences - occurrences.mean()) / spread).pow(3).mean()) if float(spread) > 0 else 0.0
    most = float(wins.max()) / n
    numbers = {"won_by_one": most, "never_won": float((wins == 0).double().mean()), "skewness": skewness}
    text = f"One candidate of {k} is the best of {most:.1%} of {n} queries; skewness of occurrences {skewness:.2f}."
    # By chance a candidate wins n / k: ten times that, and no fewer than ten queries, are no chance.
    if int(wins.max()) >= max(10, 10 * n / k):
        remedy = "keep scores normalised; is that candidate one of many alike, or is the bank unlike the queries?"
        return Finding("hubs", "warning", text, remedy, numbers)
    return Finding("hubs", "ok", text, "", numbers)


def _counts(grid: Float[Tensor, "n k"], best: int) -> Int64[Tensor, " k"]:
    return torch.bincount(grid.topk(best, dim=1).indices.flatten(), minlength=grid.shape[1])
