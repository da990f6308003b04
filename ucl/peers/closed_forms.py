"""Lemmas 2 and 3 as scorers: the expectation over B in closed form, if B's embeddings are uniform or Gaussian."""

from jaxtyping import Float
from torch import Tensor

from ucl.core.closed_form import gaussian_log_ratio, uniform_log_ratio
from ucl.core.critics import Cosine, NegativeSquaredL2
from ucl.peers.base import Peer, SharedBank

__all__ = ["Lemma2", "Lemma3"]


class Lemma2(Peer):
    """For cosine critics over one space; the bank is not looked at."""

    name = "lemma_2"

    def applies(self, bank: SharedBank) -> bool:
        return bank.same_width and isinstance(bank.ab, Cosine) and isinstance(bank.bc, Cosine)

    def score(self, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> Float[Tensor, "n k"]:
        return uniform_log_ratio(a, c, float(self.bank.ab.scale), float(self.bank.bc.scale)).to(a)


class Lemma3(Peer):
    """For squared distances over one space; centre and spread of B's embeddings are taken from the bank."""

    name = "lemma_3"

    def applies(self, bank: SharedBank) -> bool:
        return bank.same_width and all(isinstance(critic, NegativeSquaredL2) for critic in (bank.ab, bank.bc))

    def fit(self, bank: SharedBank) -> "Lemma3":
        self.bank, self.centre = bank, bank.for_c.mean(0)
        self.sd = float((bank.for_c - self.centre).square().mean().sqrt())
        return self

    def score(self, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> Float[Tensor, "n k"]:
        scales = float(self.bank.ab.scale), float(self.bank.bc.scale)
        return gaussian_log_ratio(a - self.centre, c - self.centre, self.sd, *scales).to(a)
