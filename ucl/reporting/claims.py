"""What the first screen of the report is made of: a claim, its verdict, and the number behind it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from textwrap import shorten

__all__ = ["Claim", "Verdict", "as_text"]

TERMINAL = 110  # columns


class Verdict(StrEnum):
    """What a run says of a claim."""

    HOLDS = "holds"
    CORRECTED = "holds with a correction"
    FAILS = "does not hold"
    OPEN = "not enough to tell"


@dataclass(frozen=True)
class Claim:
    """One row: where it is claimed, what, whether it holds, by which number, and the stem of the figure that shows it.

    `note` says what is to be corrected, or what was run here; `new` are claims of this project, not of the paper.
    """

    source: str
    text: str
    verdict: Verdict
    number: str
    figure: str | None = None
    note: str = ""
    new: bool = False


def as_text(claims: Iterable[Claim]) -> str:
    """For a terminal: two lines a claim, the verdict first, the paper's before the new ones; notes are the page's."""
    lines = []
    for claim in sorted(claims, key=lambda claim: claim.new):
        said = shorten(claim.text, TERMINAL - 24 - len(claim.source) - 2, placeholder=" ...")
        lines += [f"{claim.verdict.value:24s}{claim.source}: {said}", f"{'':24s}{claim.number}"]
    return "\n".join(lines) + "\n"
