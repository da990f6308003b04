"""What every way to bridge gets and gives: a bank of the shared modality in, scores of (A, C) pairs out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.critics import Critic
from ucl.core.readers import check_width
from ucl.core.retrieval import merge_best
from ucl.errors import InputError

__all__ = ["Best", "Peer", "SharedBank"]

ROWS = 1024  # queries whose scores with all candidates are held at once


@dataclass(frozen=True)
class SharedBank:
    """What is known before the first query: two critics, and samples of B as both models embed them.

    Row i of `for_a` [M, d1] and `for_c` [M, d2] is the same sample. `memory_a` [n, d1] and `memory_c` [k, d2] are
    training samples of A and of C, unpaired; C-MCR and the distilled bridges ask for them.
    """

    for_a: Float[Tensor, "m d1"]
    for_c: Float[Tensor, "_m d2"]
    ab: Critic
    bc: Critic
    memory_a: Float[Tensor, "n d1"] | None = None
    memory_c: Float[Tensor, "k d2"] | None = None

    def __post_init__(self) -> None:
        if len(self.for_a) != len(self.for_c):
            raise InputError(
                "for_a and for_c must describe the same samples: "
                f"got {len(self.for_a)} and {len(self.for_c)} rows; embed the same samples with both models"
            )
        if self.for_a.device.type != "cpu":
            raise InputError(f"methods of ucl.peers compute on the CPU: got a bank on {self.for_a.device}; use .cpu()")

    @classmethod
    def of(cls, bank: Bank, ab: Critic, bc: Critic, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> "SharedBank":
        """A bank read into memory in the type of `a`, with samples of A and of C; one with weights is refused."""
        if bank.weights is not None:
            raise InputError(
                "the methods of ucl.peers count every sample of a bank once: got a bank with weights; "
                "leave them out, or draw samples in proportion to them"
            )
        for rows, name in ((a, "a"), (c, "c")):
            check_width(rows.shape[1], name, (bank.for_a, bank.for_c))
        return cls(*bank.like(a), ab, bc, a, c)

    @property
    def same_width(self) -> bool:
        """Whether embeddings of A and of C can be compared at all."""
        return self.for_a.shape[1] == self.for_c.shape[1]


class Best(NamedTuple):
    """The best candidates of each query, best first, equal ones by index."""

    indices: Int[Tensor, "n k"]
    scores: Float[Tensor, "n k"]


class Peer(ABC):
    """A way to score pairs of A and C. `fit` once per bank, `score` any number of grids."""

    name: ClassVar[str]
    bank: SharedBank

    def fit(self, bank: SharedBank) -> "Peer":
        """Learn what there is to learn from the bank; returns itself."""
        self.bank = bank
        return self

    @abstractmethod
    def score(self, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> Float[Tensor, "n k"]:
        """Scores of every a with every c, higher for likelier pairs."""

    def retrieve(self, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"], k: int = 10) -> "Best":
        """The `k` best candidates of each query."""
        if not 1 <= k <= len(c):
            raise InputError(f"k must be between 1 and the number of candidates, {len(c)}: got {k}")
        found = [merge_best(None, self.score(rows, c), 0, k) for rows in a.split(ROWS)]
        scores, indices = (torch.cat(parts) for parts in zip(*found, strict=True))
        return Best(indices, scores)

    def __repr__(self) -> str:
        fitted = f"fitted on {len(self.bank.for_a)} samples" if hasattr(self, "bank") else "not fitted"
        return f"{type(self).__name__}({fitted})"

    def applies(self, bank: SharedBank) -> bool:
        """Whether the method is defined for such a bank."""
        return True
