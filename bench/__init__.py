"""Benchmarks: our figures beside those of the peers, from one run on one machine.

`python -m bench` runs every module `bench/bench_*.py` and writes `reports/benchmarks.md`; `python -m bench bridge` runs
`bench/bench_bridge.py` alone (and rewrites only that section). A module has

- `TITLE`: the heading of its section,
- `run() -> Iterator[Line]`: measures, and yields a line of the table as soon as it is known.

Time with `median_seconds`, which alternates between ours and the peers, so that a busy machine is unfair to nobody.
Benchmarks are not tests: nothing fails because a machine is slow, the report says whether a bar was met.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Line", "median_seconds"]


@dataclass(frozen=True)
class Line:
    """One line of the report."""

    what: str  # what was measured, at which size
    ours: str  # our figure, with its unit
    peer: str  # whom we compare with; empty where the bar is absolute
    theirs: str  # the peer's figure
    ratio: float | None  # how many times better than the peer (or the share reached); None where there is no peer
    bar: str  # what is asked for, in words; empty where nothing is
    met: bool | None  # whether the bar was met; None where there is none


def median_seconds(*actions: Callable[[], object], repeats: int = 5, warm_up: bool = True) -> list[float]:
    """Median wall-clock seconds of each action, the actions taking turns."""
    times: list[list[float]] = [[] for _ in actions]
    for turn in range(repeats + warm_up):
        for action, found in zip(actions, times, strict=True):
            start = time.perf_counter()
            action()
            if turn >= warm_up:
                found.append(time.perf_counter() - start)
    return [sorted(found)[len(found) // 2] for found in times]
