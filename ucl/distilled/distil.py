"""From a bridge and unpaired samples to a student: no pair of (A, C) is used anywhere.

Students of every capacity learn from the same simulated pairs (`ucl.learning.implied_joint`); pairs simulated from
parts of the bank and of both sides' samples that were kept apart say when to stop, which capacity to take, and whether
LogSumExp itself does better. Then the chosen one learns once more, as long, with those parts among its samples.
"""

import sys
import warnings
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ucl.core.bridge import Bridge
from ucl.core.readers import as_rows, single
from ucl.distilled.draws import Known, Pairs, held_apart, simulate
from ucl.distilled.judging import Marks, mark_log_sum_exp, mark_towers
from ucl.distilled.report import Report, WeakStudentWarning
from ucl.distilled.seen import Seen
from ucl.distilled.student import Student
from ucl.distilled.towers import Towers
from ucl.distilled.training import Settings, retrain, train
from ucl.errors import InputError
from ucl.runtime import generator

__all__ = ["CAPACITIES", "distill", "distill_each", "distill_stack"]

CAPACITIES = {"linear": 0, "hidden": 128}  # width of the two hidden layers
JUDGED = 4096  # simulated pairs kept apart, per seed
SPLIT, DRAW, JUDGE, START = range(11, 15)  # purposes of random streams


def distill(
    bridge: Bridge,
    a_samples: Any,
    c_samples: Any,
    *,
    width: int = 64,
    hidden: int | None = None,
    seed: int = 0,
    settings: Settings | None = None,
    progress: bool = True,
) -> Student:
    """A student of what the bridge's models and bank imply, from unpaired samples of A [n, d1] and of C [k, d2].

    `hidden` is the width of the two hidden layers, 0 for linear maps; None leaves it to held-out simulated pairs.
    Deterministic per seed and device. Where LogSumExp over the same bank is better on those pairs, WeakStudentWarning
    says so, and `student.report.weak` is true; likewise where the student finds nothing (`student.report.at_chance`).
    It refuses embeddings whose norms are far from those of the samples, and tables whose columns are in another order.

    Raises InputError where a side or the bank holds too few samples to keep some apart, or training leaves the range of
    float32.
    """
    if width < 2:
        raise InputError(f"width must be at least 2: got {width}; unit vectors of one number are two points")
    if hidden is not None and hidden < 0:
        raise InputError(f"hidden must be the width of the hidden layers, or 0 for linear maps: got {hidden}")
    a, _ = bridge._side(a_samples, "a")
    c, _ = bridge._side(c_samples, "c")
    if a.device != c.device:
        raise InputError(f"a_samples and c_samples must be on one device: got {a.device} and {c.device}; use .to()")
    known = _known(bridge, single(a.detach(), "a_samples"), single(c.detach(), "c_samples"))
    student = distill_stack([known], [seed], width=width, hidden=hidden, settings=settings, progress=progress)[0]
    student.bridge = bridge
    student.seen = {
        "a": Seen.of(as_rows(a_samples, "a_samples"), known.a, bridge.bank.for_a),
        "c": Seen.of(as_rows(c_samples, "c_samples"), known.c, bridge.bank.for_c),
    }
    return student


def _known(bridge: Bridge, a: Tensor, c: Tensor) -> Known:
    """What a bridge holds, in float32 on the device of the samples."""
    ab, bc = type(bridge.ab)(bridge.ab.number), type(bridge.bc)(bridge.bc.number)
    for_a, for_c = bridge.bank.like(a)
    weights = bridge.bank.log_weights()
    return Known(ab, bc, for_a, for_c, a, c, None if weights is None else weights.to(a.device))


def distill_stack(
    known: Sequence[Known],
    seeds: Sequence[int],
    *,
    width: int = 64,
    hidden: int | None = None,
    settings: Settings | None = None,
    progress: bool = False,
) -> list[Student]:
    """A student for each of several banks of one size, trained as one stack, each with the random streams of its seed.

    What a seed's student becomes does not depend on who is stacked with it, up to rounding.
    """
    search = _Search(known, seeds, _capacities(hidden), width, settings or Settings(), progress)
    reports = [search.report(place) for place in range(len(known))]
    students: dict[int, Student] = {}
    for name in search.found:
        places = [place for place, report in enumerate(reports) if report.chosen == name]
        towers = search.finished(name, places)
        students |= {place: Student(own, reports[place]) for place, own in zip(places, towers, strict=True)}
    for report in reports:
        if report.refuses:
            warnings.warn(report.warning(), WeakStudentWarning, stacklevel=3)
    return [students[place] for place in range(len(known))]


def distill_each(
    known: Sequence[Known], seeds: Sequence[int], *, width: int = 64, settings: Settings | None = None
) -> list[dict[str, Student]]:
    """As `distill_stack`, but a student of every capacity, whichever `report.chosen` says: to compare them."""
    search = _Search(known, seeds, CAPACITIES, width, settings or Settings(), False)
    reports, places = [search.report(place) for place in range(len(known))], range(len(known))
    towers = {name: search.finished(name, places) for name in search.found}
    return [{name: Student(own[place], reports[place]) for name, own in towers.items()} for place in places]


def _capacities(hidden: int | None) -> dict[str, int]:
    return CAPACITIES if hidden is None else {"hidden" if hidden else "linear": hidden}


class _Search:
    """Students of every capacity from a part of what is known, judged by what was kept apart."""

    def __init__(
        self,
        known: Sequence[Known],
        seeds: Sequence[int],
        capacities: dict[str, int],
        width: int,
        settings: Settings,
        progress: bool,
    ) -> None:
        self.known, self.seeds, self.width, self.settings = list(known), list(seeds), width, settings
        self.capacities = capacities
        parts = [held_apart(own, generator(seed, SPLIT)) for own, seed in zip(known, seeds, strict=True)]
        learned, kept = (list(side) for side in zip(*parts, strict=True))
        pairs = simulate(learned, settings.steps * settings.batch, [generator(seed, DRAW) for seed in seeds])
        judged = simulate(kept, JUDGED, [generator(seed, JUDGE) for seed in seeds])
        self.found: dict[str, tuple[list[Marks], Tensor]] = {}
        for name in capacities:
            towers = self._towers(name, self.seeds, pairs)
            label = f"distil, {name}" if progress and sys.stderr.isatty() else None
            until = train(towers, pairs, judged, settings, label)
            self.found[name] = mark_towers(towers, judged), until
        self.sums = [mark_log_sum_exp(own, judged, place) for place, own in enumerate(learned)]

    def report(self, place: int) -> Report:
        """What is said of one seed: the capacity with the least loss, held against LogSumExp."""
        students = {name: marks[place] for name, (marks, _) in self.found.items()}
        chosen = min(students, key=lambda name: students[name].judged.loss)
        best = min(self.sums[place].values(), key=lambda marks: marks.judged.loss)
        behind, error = students[chosen].behind(best)
        ways = {name: marks.judged for name, marks in (students | self.sums[place]).items()}
        own = self.known[place]
        samples = {"bank": len(own.for_a), "a": len(own.a), "c": len(own.c)}
        return Report(chosen, ways, behind, error, JUDGED, samples)

    def finished(self, name: str, places: Sequence[int]) -> list[Towers]:
        """A capacity's course once more for some seeds, with what was kept apart among their samples."""
        if not places:
            return []
        until, seeds = self.found[name][1][list(places)], [self.seeds[place] for place in places]
        draws = int(until.max()) * self.settings.batch
        pairs = simulate([self.known[place] for place in places], draws, [generator(seed, DRAW) for seed in seeds])
        towers = self._towers(name, seeds, pairs)
        retrain(towers, pairs, until, self.settings)
        return [towers.one(model) for model in range(len(places))]

    def _towers(self, name: str, seeds: Sequence[int], pairs: Pairs) -> Towers:
        inputs = (pairs.a.shape[2], pairs.c.shape[2])
        starts = [generator(seed, START) for seed in seeds]
        return Towers(starts, inputs, self.capacities[name], self.width).to(pairs.a)
