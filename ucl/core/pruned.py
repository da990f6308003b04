"""Certified scores from the few bank samples that matter to a query, for reranking.

One pass over the bank tells two numbers of every candidate (`Pruning.survey`): the largest B-C score, and the logarithm
of the sum of all their exponentials. They hold for every query, so an index keeps them. A query then takes samples in
the order of their weight exp f_AB(a, b_i), heaviest first; what is left out adds at most

    R = min( (sum of the weights left out) * exp(largest B-C score),  (largest weight left out) * (sum of exp f_BC) ).

The first is small where A-B is the sharper side, the second where B-C is. With K the sum that was found, log K <= L <=
log(K + R). The answer is the middle of the two, off by at most half of log(1 + R / K): the bound that is reported.
Candidates whose bound is above the tolerance get twice as many samples, and the whole bank if nothing less will do.
A normalised score is L less both sides' own sums, which are known exactly: the query's from its weights.

Scores of cosine critics are float32 products if their proven rounding (1.1e-5 of both scales, `ucl.core.spot_check`;
twice that with normalisation) fits into three tenths of the tolerance, which it is then counted against; else float64.
That rounds too: a product of d terms by at most (d + 2) 2^-53 of the norms of both rows (Higham 2002, section 3.1),
nothing until the norms are huge. Where it is above the tolerance the whole bank is read, and the bound says so. What
the type of the answer rounds comes on top.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.critics import CANCELLATION, Cosine, Critic, Dot, NegativeL2, represent
from ucl.core.exponential import log_sum_exp
from ucl.core.scores import check_range

__all__ = ["PrunedResult", "Pruning", "Ready"]

FIRST = 64  # samples that every candidate is given
ROUNDING = 1.1e-5  # of both scales: what float32 products of unit vectors are proven to be within
WIDEST = 4096  # rows that this is proven for
SHARE = 0.3  # of the tolerance that rounding may take
EXACT = 2.0**-53  # the same for float64, for every term of a sum
FEW = 16  # roundings beside those of the terms: of scales, norms, exponentials and logarithms
BLOCK = 2**21  # scores held at once


@dataclass(frozen=True, eq=False)
class PrunedResult:
    """Scores [n, k], by how many nats each may be off at most (`bound` [n, k]), and what that took.

    `samples` [n, k] is how many of the `bank_size` samples a score was summed from. `bound` is of the sums: an answer
    in float32 is rounded besides, by up to 6e-8 of the score.
    """

    scores: Any
    bound: Any
    samples: Any
    bank_size: int

    def __repr__(self) -> str:
        n, k = self.scores.shape
        return (
            f"PrunedResult({n} x {k} scores within {float(self.bound.max()):.2g} nats, from at most "
            f"{int(self.samples.max())} of {self.bank_size} samples)"
        )


class Ready(NamedTuple):
    """Candidates as they are compared, and what bounds the B-C side for each."""

    rows: Float[Tensor, "k d2"]
    largest: Float[Tensor, " k"]  # score with any bank sample, at most
    log_sums: Float[Tensor, " k"]  # of the weighted exponentials of its scores; infinite where that is not known
    rounding: Float[Tensor, " k"]  # what a score with any bank sample is off by, at most


class Pruning:
    """One bank under two critics, ready for queries [1, d1] one after the other; nothing is differentiable.

    With `flip`, A and C change places: what is called a query here is a candidate there.
    """

    def __init__(
        self, ab: Critic, bc: Critic, bank: Bank, tolerance: float, normalize: bool, flip: bool = False
    ) -> None:
        cosine = isinstance(ab, Cosine) and isinstance(bc, Cosine)
        rounding = ROUNDING * (ab.number + bc.number) * (2 if normalize else 1)
        wide = max(bank.for_a.shape[1], bank.for_c.shape[1]) > WIDEST
        small = cosine and not wide and rounding <= SHARE * tolerance
        small = small and bank.for_a.dtype == bank.for_c.dtype == torch.float32
        self.dtype, self.rounding = (torch.float32, rounding) if small else (torch.float64, 0.0)
        self.twice = 2 if normalize else 1
        self.tolerance, self.size, self.normalize = tolerance, len(bank), normalize
        ready = bank.represented(ab, bc)
        sides = [
            represent(critic, rows.read(0, len(rows)).detach().to(self.dtype), rows.name, unit)
            for critic, rows, unit in zip((ab, bc), (ready.for_a, ready.for_c), ready.unit, strict=True)
        ]
        turn = -1 if flip else 1
        (self.ab, self.bc), (self.for_a, self.for_c), self.names = (ab, bc)[::turn], sides[::turn], "ac"[::turn]
        self.longest = [
            float(torch.linalg.vector_norm(side.double(), dim=1).max()) for side in (self.for_a, self.for_c)
        ]
        self.log_total = math.log(bank.total_weight())
        weights = bank.log_weights()
        self.log_weights = torch.zeros(len(bank)) if weights is None else weights
        self.log_weights = self.log_weights.to(self.for_a.device, torch.float64)

    def survey(self, c: Float[Tensor, "k d2"]) -> Float[Tensor, "k 2"]:
        """Every candidate's largest B-C score and the logarithm of its weighted sum: one pass over the bank."""
        found = torch.empty(len(c), 2, dtype=torch.float64, device=c.device)
        step = max(1, BLOCK // self.size)
        for start in range(0, len(c), step):
            rows = self._represented(self.bc, c[start : start + step], self.names[1], start)
            scores = _scores(self.bc, rows, self.for_c)
            found[start : start + step, 0] = scores.amax(1)
            found[start : start + step, 1] = log_sum_exp(scores.add_(self.log_weights))
        return found

    def ready(self, c: Float[Tensor, "k d2"], surveyed: Float[Tensor, "k 2"] | None = None) -> Ready:
        """Candidates to score, with what `survey` said of them.

        Without it the bound is the most that the critic gives anything: its scale (cosine), 0 (distances), or the
        product of the norms (dot); nothing can be normalised then.
        """
        rows = self._represented(self.bc, c, self.names[1])
        rounding = self._exactly(self.bc, rows, self.longest[1])
        if surveyed is not None:
            found = surveyed.to(rows.device)
            return Ready(rows, found[:, 0], found[:, 1], rounding)
        largest = torch.full((len(rows),), 0.0, dtype=torch.float64, device=rows.device)
        if isinstance(self.bc, Cosine):
            largest += self.bc.number
        elif isinstance(self.bc, Dot):
            largest = self.bc.number * self.longest[1] * torch.linalg.vector_norm(rows.double(), dim=1)
        return Ready(rows, largest, torch.full_like(largest, torch.inf), rounding)

    def score(
        self, a: Float[Tensor, "1 d1"], ready: Ready, best: int | None = None
    ) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"], Int64[Tensor, " k"]]:
        """One query's scores, their bounds, and how many samples each was summed from.

        Given `best`, candidates that are proven not to be among the best so many are left as they are: their bound
        stays above the tolerance.
        """
        (order, weights, tail, peak), rounding = self._order(a), self._rounding(a, ready)
        own = ready.log_sums if self.normalize else torch.zeros_like(ready.log_sums)
        total = torch.full_like(own, -torch.inf)
        half, samples = torch.full_like(own, torch.inf), torch.zeros_like(own, dtype=torch.int64)
        open_, start = torch.arange(len(own), device=own.device), 0
        while len(open_):
            stop = self.size if 2 * start >= self.size // 2 else min(self.size, max(FIRST, 2 * start))
            sums = self._sums(ready.rows[open_], order[start:stop], weights[start:stop])
            total[open_], samples[open_], start = torch.logaddexp(total[open_], sums), stop, stop
            if start == self.size:
                half[open_] = 0.0
                break
            left = torch.minimum(tail[start] + ready.largest, peak[start] + ready.log_sums) - total
            half[open_] = torch.nn.functional.softplus(left[open_]) / 2
            unsure = half + rounding > self.tolerance
            if best is not None and best < len(own):
                unsure &= total - own + 2 * half + rounding >= (total - own - rounding).topk(best).values[-1]
            open_ = unsure.nonzero()[:, 0]
        middle = total + half - own + (self.log_total - tail[0] if self.normalize else -self.log_total)
        return middle, half + rounding, samples

    def _rounding(self, a: Tensor, ready: Ready) -> Float[Tensor, " k"]:
        """What the products round off a score with each candidate, at most."""
        if self.dtype == torch.float32:
            return torch.full_like(ready.rounding, self.rounding)
        query = self._represented(self.ab, a, self.names[0])
        return self.twice * (self._exactly(self.ab, query, self.longest[0]) + ready.rounding)

    @staticmethod
    def _exactly(critic: Critic, rows: Float[Tensor, "k d"], longest: float) -> Float[Tensor, " k"]:
        """What float64 rounds off scores of represented rows with others of at most this norm, at most."""
        norms, terms = torch.linalg.vector_norm(rows.double(), dim=1), EXACT * critic.number * (rows.shape[1] + FEW)
        if isinstance(critic, Cosine | Dot):
            return terms * norms * longest
        reach = norms + 3 * longest  # both rows less the bank's mean; a root of a small difference is off by more
        return terms * reach * (CANCELLATION**-0.5 if isinstance(critic, NegativeL2) else reach)

    def _order(self, a: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Samples by weight, heaviest first, the logarithms of their weights, the sum of all from each on, and the
        largest A-B score from each on."""
        query = self._represented(self.ab, a, self.names[0])
        scores = _scores(self.ab, query, self.for_a)[0]
        weights, order = (scores + self.log_weights).sort(descending=True)
        peak = scores[order].flip(0).cummax(0).values.flip(0)
        return order, weights, weights.flip(0).logcumsumexp(0).flip(0), peak

    def _represented(self, critic: Critic, x: Tensor, name: str, first: int = 0) -> Tensor:
        """Rows as the critic compares them, taken to norm one before they are taken to float32, whose range is less."""
        rows = x.detach() if x.dtype == self.dtype else x.detach().double()
        return represent(critic, rows, name, first=first).to(self.dtype)

    def _sums(self, rows: Tensor, samples: Tensor, weights: Tensor) -> Float[Tensor, " k"]:
        found = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
        seen, step = self.for_c[samples], max(1, BLOCK // len(samples))
        for start in range(0, len(rows), step):
            scores = _scores(self.bc, rows[start : start + step], seen)
            found[start : start + step] = log_sum_exp(scores.add_(weights))
        return found


def _scores(critic: Critic, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """Scores of rows that are represented already, in float64; InputError where they leave its range."""
    scores = critic.number * critic.compare(x, y).double()
    check_range(scores, critic, x, y, "scores")
    return scores
