"""The bank's answer as two small maps, trained on pairs that the two models imply (`ucl.distilled`)."""

import warnings
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from ucl.distilled.distil import distill_stack
from ucl.distilled.draws import FEWEST, Known
from ucl.distilled.report import WeakStudentWarning
from ucl.distilled.student import Student
from ucl.distilled.training import Settings
from ucl.errors import InputError
from ucl.peers.base import Peer, SharedBank

__all__ = ["Distilled", "DistilledLinear"]


class Distilled(Peer):
    """A student whose capacity, linear or with two hidden layers, held-out simulated pairs choose."""

    name = "distilled"
    hidden: ClassVar[int | None] = None
    student: Student

    def __init__(self, settings: Settings | None = None, seed: int = 0) -> None:
        self.settings, self.seed = settings, seed

    def applies(self, bank: SharedBank) -> bool:
        sides = (bank.for_a, bank.memory_a, bank.memory_c)
        return all(side is not None and len(side) >= FEWEST for side in sides)

    def fit(self, bank: SharedBank) -> "Distilled":
        if bank.memory_a is None or bank.memory_c is None:
            raise InputError("distilling needs samples of A and of C: give memory_a and memory_c")
        self.bank = bank
        known = Known(bank.ab, bank.bc, bank.for_a, bank.for_c, bank.memory_a, bank.memory_c)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WeakStudentWarning)  # a contest shows who is weak
            self.student = distill_stack([known], [self.seed], hidden=self.hidden, settings=self.settings)[0]
        return self

    def score(self, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> Float[Tensor, "n k"]:
        scores: Tensor = self.student.score(a, c)
        return scores


class DistilledLinear(Distilled):
    """Linear maps: what practitioners fit between two text spaces, trained on the right objective."""

    name = "distilled_linear"
    hidden = 0
