"""Lemma 1 over the bank, `log mean_i exp(f_AB(a, b_i) + f_BC(b_i, c))`, and what has been made of it."""

from dataclasses import replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.peers.base import Peer, SharedBank

__all__ = ["MonteCarlo", "MonteCarloNormalized", "MonteCarloUnscaled", "OneHop", "TopK"]


class MonteCarlo(Peer):
    """The paper's section 5 with both critics at their learned scale."""

    name = "monte_carlo"
    normalize: ClassVar[bool] = False

    def fit(self, bank: SharedBank) -> "MonteCarlo":
        self.bank = bank
        self.bridge = Bridge(bank.ab, bank.bc, Bank(bank.for_a, bank.for_c), normalize=self.normalize)
        return self

    def score(self, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> Float[Tensor, "n k"]:
        scores: Tensor = self.bridge.score(a, c, progress=False).scores
        return scores


class MonteCarloUnscaled(MonteCarlo):
    """As in the published code: the learned scales left out."""

    name = "monte_carlo_unscaled"

    def fit(self, bank: SharedBank) -> "MonteCarlo":
        return super().fit(replace(bank, ab=type(bank.ab)(1.0), bc=type(bank.bc)(1.0)))


class MonteCarloNormalized(MonteCarlo):
    """Each critic less `log mean_i exp f(anchor, b_i)`: what InfoNCE leaves free per anchor is taken out."""

    name = "monte_carlo_normalized"
    normalize = True


class TopK(Peer):
    """LogSumExp over the k bank samples that the A-B critic ranks first for a: what an index can serve."""

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
