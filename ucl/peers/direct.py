"""Direct comparison: the critic of one model applied across both (the paper's "Law" used as a heuristic)."""

from jaxtyping import Float
from torch import Tensor

from ucl.errors import InputError
from ucl.peers.base import Peer, SharedBank

__all__ = ["Direct"]


class Direct(Peer):
    """`f_BC(a, c)`: as if a were an embedding of B. Needs both spaces to have the same width."""

    name = "direct"

    def applies(self, bank: SharedBank) -> bool:
        return bank.same_width

    def score(self, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> Float[Tensor, "n k"]:
        if a.shape[1] != c.shape[1]:
            raise InputError(f"direct comparison needs one space: got widths {a.shape[1]} and {c.shape[1]}; use a bank")
        return self.bank.bc(a, c)
