"""What a check found: a list of findings, each with its sentence, its remedy and the numbers behind it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

__all__ = ["Finding", "Findings", "Level", "plain"]

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    `level`: `ok`; `warning`, where it may be meant, or nothing could be told; `error`, where answers are wrong.
    `remedy` is empty where there is nothing to do.
    """

    name: str
    level: Level
    sentence: str
    remedy: str
    numbers: Mapping[str, float | int]


@dataclass(frozen=True)
class Findings:
    """All findings of a check, in the order in which they were looked for. Prints as a short table."""

    findings: tuple[Finding, ...]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, name: str) -> Finding:
        """The finding of this name; KeyError where it was not looked for."""
        found = {finding.name: finding for finding in self.findings}
        return found[name]

    @property
    def level(self) -> Level:
        """The worst of all."""
        levels = {finding.level for finding in self.findings}
        return "error" if "error" in levels else "warning" if "warning" in levels else "ok"

    def to_json(self) -> str:
        """Level and findings as one line of JSON; a number that is not finite is null."""
        found = [asdict(f) | {"numbers": {k: plain(v) for k, v in f.numbers.items()}} for f in self.findings]
        return json.dumps({"level": self.level, "findings": found}, allow_nan=False)

    def __str__(self) -> str:
        width = max((len(finding.name) for finding in self.findings), default=0)
        lines = []
        for f in self.findings:
            lines.append(f"{f.level:<7}  {f.name:<{width}}  {f.sentence}")
            if f.remedy:
                lines.append(f"{'':<7}  {'':<{width}}  -> {f.remedy}")
        return "\n".join(lines)


def plain(value: float | int) -> float | None:
    """A number as JSON can hold it."""
    number = float(value)
    return number if abs(number) < float("inf") else None
