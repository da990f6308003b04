"""Why a pair matches: the samples of the bank that carry its score."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.critics import Critic
from ucl.core.fingerprint import Seal
from ucl.core.scores import SideScores, block_size

__all__ = ["Explanation", "explain_pairs"]


@dataclass(frozen=True)
class Explanation:
    """The samples that carry the score of one pair (a, c), the largest share first.

    The share of sample i is w_i exp(f_AB(a, b_i) + f_BC(b_i, c)) over the sum of all samples': under Assumption 1, and
    if the critics are log ratios, the posterior probability p(b_i | a, c) within the bank. Rows that are equal are
    listed on their own. The shares of those shown add up to at most one.
    """

    score: float  # log mean over the bank, without normalisation
    samples: list[int]  # rows of the bank
    ids: list[Any] | None  # what the bank calls them
    shares: list[float]
    scores_ab: list[float]  # f_AB(a, b_i), scale included
    scores_bc: list[float]  # f_BC(b_i, c)

    @property
    def names(self) -> list[Any]:
        """Ids, or row numbers where there are none."""
        return self.samples if self.ids is None else self.ids

    def __repr__(self) -> str:
        shown = zip(self.names, self.shares, strict=True)
        return f"Explanation(score {self.score:.4f}: {', '.join(f'{name} {share:.1%}' for name, share in shown)})"


def explain_pairs(
    critics: tuple[Critic, Critic], bank: Bank, a: Float[Tensor, "1 d1"], c: Float[Tensor, "k d2"], top: int
) -> list[Explanation]:
    """The `top` samples with the largest shares of the pairs of one query, in float64; one pass over the bank."""
    sides = SideScores(critics[0], a, "a", torch.float64), SideScores(critics[1], c, "c", torch.float64)
    total, start = torch.full((len(c),), -torch.inf, dtype=torch.float64, device=a.device), 0
    best = torch.empty(4, len(c), 0, dtype=torch.float64, device=a.device)  # log weight, f_AB, f_BC, row
    log_weights = bank.log_weights()
    for for_a, for_c in bank.blocks(bank.cuts_for(block_size(1 + len(c))), False, Seal()):
        s, t = (side(block, unit) for side, block, unit in zip(sides, (for_a, for_c), bank.unit, strict=True))
        stop = start + s.shape[1]
        terms = s + t if log_weights is None else s + t + log_weights[start:stop].to(s)
        total = torch.logaddexp(total, terms.logsumexp(1))
        rows = torch.arange(start, stop, dtype=torch.float64, device=s.device).expand_as(t)
        both = torch.cat([best, torch.stack([terms, s.expand_as(t), t, rows])], 2)
        order = both[0].argsort(dim=1, descending=True, stable=True)[:, :top]
        best = both.gather(2, order.expand(4, *order.shape))
        start = stop
    return [_explanation(bank, *one) for one in zip(best.unbind(1), total, strict=True)]


def _explanation(bank: Bank, best: Float[Tensor, "4 top"], total: Float[Tensor, ""]) -> Explanation:
    numbers = [int(row) for row in best[3]]
    ids = None if bank.ids is None else [bank.ids[row].as_py() for row in numbers]
    shares = (best[0] - total).exp().tolist()
    score = float(total) - math.log(bank.total_weight())
    return Explanation(score, numbers, ids, shares, best[1].tolist(), best[2].tolist())
