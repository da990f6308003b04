"""The bank's answer as two small maps, trained on pairs that the two models imply (`ucl.distilled`)."""

from collections.abc import Sequence
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from ucl.distilled.distil import distill_stack
from ucl.distilled.draws import Known
from ucl.distilled.limits import FEWEST
from ucl.distilled.report import weak_allowed
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

    @classmethod
    def fit_stack(
        cls, banks: Sequence[SharedBank], seeds: Sequence[int], settings: Settings | None = None
    ) -> list["Distilled"]:
        """One for each of several banks of one size, trained as one stack: far sooner than one after the other."""
        fitted = [cls(settings, seed) for seed in seeds]
        for peer, bank, student in zip(fitted, banks, cls._students(banks, seeds, settings), strict=True):
            peer.bank, peer.student = bank, student
        return fitted

    def fit(self, bank: SharedBank) -> "Distilled":
        (self.student,) = self._students([bank], [self.seed], self.settings)
        self.bank = bank
        return self

    @classmethod
    def _students(cls, banks: Sequence[SharedBank], seeds: Sequence[int], settings: Settings | None) -> list[Student]:
        known = [_known(bank) for bank in banks]
        with weak_allowed():  # a contest shows who is weak
            return distill_stack(known, seeds, hidden=cls.hidden, settings=settings)

    def score(self, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> Float[Tensor, "n k"]:
        scores: Tensor = self.student.score(a, c)
        return scores


class DistilledLinear(Distilled):
    """Linear maps: what practitioners fit between two text spaces, trained on the right objective."""

    name = "distilled_linear"
    hidden = 0


def _known(bank: SharedBank) -> Known:
    if bank.memory_a is None or bank.memory_c is None:
        raise InputError("distilling needs samples of A and of C: give memory_a and memory_c")
    return Known(bank.ab, bank.bc, bank.for_a, bank.for_c, bank.memory_a, bank.memory_c)
