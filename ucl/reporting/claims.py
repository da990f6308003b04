"""What the first screen of the report is made of: a claim, its verdict, and the number behind it."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Claim", "Verdict"]


class Verdict(StrEnum):
    """What a run says of a claim."""

    HOLDS = "holds"
    CORRECTED = "holds with a correction"
    FAILS = "does not hold"
    OPEN = "not enough to tell"


@dataclass(frozen=True)
class Claim:
    """One row: where it is claimed, what, whether it holds, by which number, and the stem of the figure that shows it.

    `new` are claims of this project, beside those of the paper.
    """

    source: str
    text: str
    verdict: Verdict
    number: str
    figure: str | None = None
    new: bool = False
