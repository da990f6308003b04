"""Certified scores from the few bank samples that matter to a query, for reranking.

Samples are taken in the order of their weight exp f_AB(a, b_i), heaviest first. What is left out adds at most

    R = (sum of the weights left out) * exp(most that f_BC(b, c) can be),

so with K the sum that was found, log K <= L <= log(K + R). The answer is the middle of the two, off by at most half of
log(1 + R / K): the bound that is reported. Candidates whose bound is above the tolerance get twice as many samples, and
the whole bank if nothing less will do. The most that a critic can be: its scale (cosine), 0 (distances), or the product
of the norms (dot). Scores of cosine critics are float32 products if their proven rounding (1.1e-5 of both scales,
`ucl.core.spot_check`) fits into a tenth of the tolerance, which it is then counted against; else float64.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ucl.core.bank import Bank, represent
from ucl.core.critics import Cosine, Critic, Dot
from ucl.core.exponential import log_sum_exp

__all__ = ["PrunedResult", "Pruning"]

FIRST = 64  # samples that every candidate is given
ROUNDING = 1.1e-5  # of both scales: what float32 products of unit vectors are proven to be within
WIDEST = 4096  # rows that this is proven for
SHARE = 0.1  # of the tolerance that rounding may take


@dataclass(frozen=True, eq=False)
class PrunedResult:
    """Scores [n, k], by how many nats each may be off at most (`bound` [n, k]), and what that took.

    `samples` [n] is the largest number of bank samples that any candidate of a query needed; `bank_size` is M.
    """

    scores: Any
    bound: Any
    samples: Any
    bank_size: int


class Pruning:
    """One bank under two critics, ready for queries [1, d1] one after the other; nothing is differentiable."""

    def __init__(self, ab: Critic, bc: Critic, bank: Bank, tolerance: float) -> None:
        cosine = isinstance(ab, Cosine) and isinstance(bc, Cosine)
        rounding = ROUNDING * (ab.number + bc.number)
        wide = max(bank.for_a.shape[1], bank.for_c.shape[1]) > WIDEST
        small = cosine and not wide and rounding <= SHARE * tolerance
        small = small and bank.for_a.dtype == bank.for_c.dtype == torch.float32
        self.dtype, self.rounding = (torch.float32, rounding) if small else (torch.float64, 0.0)
        self.ab, self.bc, self.tolerance, self.size = ab, bc, tolerance, len(bank)
        ready = bank.represented(ab, bc)
        self.for_a, self.for_c = (
            represent(critic, rows.read(0, len(rows)).detach().to(self.dtype), rows.name, unit)
            for critic, rows, unit in zip((ab, bc), (ready.for_a, ready.for_c), ready.unit, strict=True)
        )
        self.log_weights, self.log_total = bank.log_weights(), math.log(bank.total_weight())
        self.longest = torch.linalg.vector_norm(self.for_c.double(), dim=1).max() if isinstance(bc, Dot) else None

    def candidates(self, c: Float[Tensor, "k d2"]) -> tuple[Float[Tensor, "k d2"], Float[Tensor, " k"]]:
        """Candidates as they are compared, and the most that the B-C critic can give each."""
        rows = represent(self.bc, c.detach().to(self.dtype), "c")
        if self.longest is not None:
            return rows, self.bc.number * self.longest * torch.linalg.vector_norm(rows.double(), dim=1)
        most = self.bc.number if isinstance(self.bc, Cosine) else 0.0
        return rows, torch.full((len(rows),), most, dtype=torch.float64, device=rows.device)

    def score(
        self, a: Float[Tensor, "1 d1"], rows: Float[Tensor, "k d2"], most: Float[Tensor, " k"], best: int | None = None
    ) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"], int]:
        """One query's scores, their bounds, and how many samples were read.

        Given `best`, candidates that are proven not to be among the best so many are left as they are: their bound
        stays above the tolerance.
        """
        order, weights, tail = self._order(a)
        total = torch.full((len(rows),), -torch.inf, dtype=torch.float64, device=rows.device)
        bound, open_, start = torch.full_like(total, torch.inf), torch.arange(len(rows), device=rows.device), 0
        while len(open_):
            stop = self.size if 2 * start >= self.size // 2 else min(self.size, max(FIRST, 2 * start))
            total[open_] = torch.logaddexp(
                total[open_], self._sums(rows[open_], order[start:stop], weights[start:stop])
            )
            start = stop
            left = tail[start] + most - total if start < self.size else torch.full_like(total, -torch.inf)
            bound[open_] = torch.nn.functional.softplus(left[open_]) / 2 + self.rounding
            unsure = bound > self.tolerance
            if start == self.size:
                break
            if best is not None and best < len(rows):
                unsure &= total + 2 * bound >= (total - self.rounding).topk(best).values[-1]
            open_ = unsure.nonzero()[:, 0]
        middle = total + (bound - self.rounding)
        return middle - self.log_total, bound, start

    def _order(self, a: Tensor) -> tuple[Int64[Tensor, " m"], Float[Tensor, " m"], Float[Tensor, " m"]]:
        """Samples by weight, heaviest first, the logarithms of their weights, and of all from each on."""
        query = represent(self.ab, a.detach().to(self.dtype), "a")
        scores = self.ab.number * self.ab.compare(query, self.for_a)[0].double()
        if self.log_weights is not None:
            scores = scores + self.log_weights.to(scores)
        weights, order = scores.sort(descending=True)
        return order, weights, weights.flip(0).logcumsumexp(0).flip(0)

    def _sums(self, rows: Tensor, samples: Tensor, weights: Tensor) -> Float[Tensor, " k"]:
        found = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
        seen, step = self.for_c[samples], max(1, 2**21 // len(samples))
        for start in range(0, len(rows), step):
            scores = self.bc.number * self.bc.compare(rows[start : start + step], seen).double()
            found[start : start + step] = log_sum_exp(scores.add_(weights))
        return found
