"""Lemma 1 over the bank: `log mean_i exp(f_AB(a, b_i) + f_BC(b_i, c))`, and what has been made of it."""

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.log_sum_exp import log_sum_exp_scores
from ucl.peers.base import Peer, SharedBank

__all__ = ["MonteCarlo", "MonteCarloNormalized", "MonteCarloUnscaled", "OneHop", "TopK"]


class MonteCarlo(Peer):
    """The paper's section 5 with both critics at their learned scale."""

    name = "monte_carlo"

    def scores_to_bank(self, a: Tensor, c: Tensor) -> tuple[Float[Tensor, "n m"], Float[Tensor, "k m"]]:
        """f_AB(a, b_i) and f_BC(b_i, c), transposed."""
        return self.bank.ab(a, self.bank.for_a), self.bank.bc(c, self.bank.for_c)

    def score(self, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> Float[Tensor, "n k"]:
        to_a, to_c = self.scores_to_bank(a, c)
        return log_sum_exp_scores(to_a, to_c).to(a) - math.log(len(self.bank.for_a))


class MonteCarloUnscaled(MonteCarlo):
    """As in the published code: the learned scales left out."""

    name = "monte_carlo_unscaled"

    def fit(self, bank: SharedBank) -> "MonteCarloUnscaled":
        self.bank = replace(bank, ab=type(bank.ab)(1.0), bc=type(bank.bc)(1.0))
        return self


class MonteCarloNormalized(MonteCarlo):
    """Each critic less `log mean_i exp f(anchor, b_i)`: what InfoNCE leaves free per anchor is taken out."""

    name = "monte_carlo_normalized"

    def scores_to_bank(self, a: Tensor, c: Tensor) -> tuple[Float[Tensor, "n m"], Float[Tensor, "k m"]]:
        to_a, to_c = (s - torch.logsumexp(s, 1, keepdim=True) for s in super().scores_to_bank(a, c))
        offset = math.log(len(self.bank.for_a))
        return to_a + offset, to_c + offset


class TopK(Peer):
    """LogSumExp over the k bank samples that the A-B critic ranks first for a: what a nearest-neighbour index serves."""

    name = "top_k"

    def __init__(self, k: int = 10) -> None:
        self.k = k

    def score(self, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> Float[Tensor, "n k"]:
        k = min(self.k, len(self.bank.for_a))
        best, index = self.bank.ab(a, self.bank.for_a).topk(k, dim=1)
        to_c = self.bank.bc(self.bank.for_c, c)
        return torch.stack([best[:, j, None] + to_c[index[:, j]] for j in range(k)]).logsumexp(0)


class OneHop(TopK):
    """Go to the bank sample nearest to a, and on to c from there."""

    name = "one_hop"

    def __init__(self) -> None:
        super().__init__(k=1)
