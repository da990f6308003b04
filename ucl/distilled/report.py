"""What held-out simulated pairs say of a student, and what else they say would do."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from ucl.distilled.limits import kept_of

__all__ = ["Judged", "Report", "WeakStudentWarning", "weak_allowed"]

CANDIDATES = 32
NOTHING = 0.005  # nats below those of chance
ENOUGH = 2 * CANDIDATES  # samples kept apart; of fewer most groups of 32 pairs hold one twice


class WeakStudentWarning(UserWarning):
    """A student that LogSumExp beats on simulated pairs that neither has seen, or that finds nothing there."""


@contextmanager
def weak_allowed() -> Iterator[None]:
    """Distil without that warning: who compares students shows the weak ones anyway."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeakStudentWarning)
        yield


@dataclass(frozen=True)
class Judged:
    """One way to score: Recall@1 among 32 on simulated pairs kept apart, and InfoNCE there at the best scale."""

    recall: float
    loss: float


@dataclass(frozen=True)
class Report:
    """How a student was chosen. All numbers are of simulated pairs whose bank, A and C samples are not the training's.

    `ways` maps a way to score to what it reached: `linear` and `hidden` students, `log_sum_exp` and
    `log_sum_exp_normalized` over the training's bank. `chosen` is the student's, of least loss. `behind` is by how many
    nats its loss is above the better LogSumExp's (negative: below), `error` the standard error of that over groups.
    """

    chosen: str
    ways: dict[str, Judged]
    behind: float
    error: float
    pairs: int
    samples: dict[str, int]  # how many of `bank`, `a` and `c` there were, those kept apart included

    @property
    def weak(self) -> bool:
        """Whether the student is below LogSumExp, by more than the pairs' chance."""
        return self.behind > max(0.005, self.error)

    @property
    def at_chance(self) -> bool:
        """Whether the student tells no pair from another."""
        return self.ways[self.chosen].loss > math.log(CANDIDATES) - NOTHING

    @property
    def refuses(self) -> bool:
        """Whether it says that it should not be used: it is weak, or at chance."""
        return self.weak or self.at_chance

    @property
    def few_kept(self) -> bool:
        """Whether samples of the bank, of A or of C are so few that those kept apart cannot tell who is weak."""
        return min(map(kept_of, self.samples.values())) < ENOUGH

    def __str__(self) -> str:
        """One line."""
        told = ", ".join(f"{name} {way.recall:.3f} ({way.loss:.3f} nats)" for name, way in self.ways.items())
        kept = f"{self.pairs} simulated pairs kept apart"
        line = f"Recall@1 among {CANDIDATES} (InfoNCE) on {kept}: {told}; chosen: {self.chosen}"
        if not self.few_kept:
            return line
        of = ", ".join(f"{kept_of(count)} of {name}" for name, count in self.samples.items())
        return f"{line}; samples kept apart are too few to be sure ({of}): compare on known pairs (ucl evaluate)"

    def warning(self) -> str:
        """What a weak student says, or one at chance."""
        if self.at_chance:
            return (
                f"this student finds nothing: it is at chance, {math.log(CANDIDATES):.3f} nats ({self}); look at the "
                "scales and the bank (ucl check)"
            )
        return (
            f"this student is {self.behind:.3f} nats behind LogSumExp ({self}); score with the bridge itself, or "
            "distil from more samples or a larger bank"
        )

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    @staticmethod
    def from_json(about: dict[str, object]) -> "Report":
        ways = {str(name): Judged(**way) for name, way in about["ways"].items()}  # type: ignore[attr-defined]
        return Report(**{**about, "ways": ways})  # type: ignore[arg-type]
