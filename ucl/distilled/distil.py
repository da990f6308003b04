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
from ucl.distilled.draws import Known, held_apart, simulate
from ucl.distilled.judging import Marks, mark_log_sum_exp, mark_towers
from ucl.distilled.report import Report, WeakStudentWarning
from ucl.distilled.student import Student
from ucl.distilled.towers import Towers
from ucl.distilled.training import Settings, retrain, train
from ucl.errors import InputError
from ucl.runtime import generator

__all__ = ["CAPACITIES", "distill", "distill_stack"]

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
    says so, and `student.report.weak` is true.

    Raises InputError where a side or the bank holds too few samples to keep some apart.
    """
    a, _ = bridge._side(a_samples, "a")
    c, _ = bridge._side(c_samples, "c")
    if a.device != c.device:
        raise InputError(f"a_samples and c_samples must be on one device: got {a.device} and {c.device}; use .to()")
    known = _known(bridge, a.detach().float(), c.detach().float())
    student = distill_stack([known], [seed], width=width, hidden=hidden, settings=settings, progress=progress)[0]
    student.bridge = bridge
    return student


def _known(bridge: Bridge, a: Tensor, c: Tensor) -> Known:
    """What a bridge holds, in float32 on the device of the samples."""
    ab, bc = type(bridge.ab)(bridge.ab.number), type(bridge.bc)(bridge.bc.number)
    for_a, for_c = bridge.bank_like(a)
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
    settings = settings or Settings()
    parts = [held_apart(own, generator(seed, SPLIT)) for own, seed in zip(known, seeds, strict=True)]
    learned, kept = (list(side) for side in zip(*parts, strict=True))
    pairs = simulate(learned, settings.steps * settings.batch, [generator(seed, DRAW) for seed in seeds])
    judged = simulate(kept, JUDGED, [generator(seed, JUDGE) for seed in seeds])
    inputs = (pairs.a.shape[2], pairs.c.shape[2])
    found: dict[str, tuple[list[Marks], Tensor]] = {}
    for name, layers in _capacities(hidden).items():
        towers = Towers([generator(seed, START) for seed in seeds], inputs, layers, width).to(pairs.a)
        label = f"distil, {name}" if progress and sys.stderr.isatty() else None
        until = train(towers, pairs, judged, settings, label)
        found[name] = mark_towers(towers, judged), until
    reports = []
    for place, own in enumerate(learned):
        marks = {name: each[place] for name, (each, _) in found.items()}
        reports.append(_report(marks, mark_log_sum_exp(own, judged, place), known[place]))
    del pairs
    students: dict[int, Student] = {}
    for name, layers in _capacities(hidden).items():
        places = [place for place, report in enumerate(reports) if report.chosen == name]
        if places:
            own = [known[place] for place in places]
            all_ = _on_everything(own, [seeds[i] for i in places], layers, width, found[name][1][places], settings)
            students |= {place: Student(all_.one(i), reports[place]) for i, place in enumerate(places)}
    for report in reports:
        if report.weak:
            warnings.warn(report.warning(), WeakStudentWarning, stacklevel=3)
    return [students[place] for place in range(len(known))]


def _capacities(hidden: int | None) -> dict[str, int]:
    return CAPACITIES if hidden is None else {"hidden" if hidden else "linear": hidden}


def _on_everything(
    known: list[Known], seeds: list[int], layers: int, width: int, until: Tensor, settings: Settings
) -> Towers:
    """The chosen course once more, with what was kept apart among its samples."""
    pairs = simulate(known, int(until.max()) * settings.batch, [generator(seed, DRAW) for seed in seeds])
    inputs = (pairs.a.shape[2], pairs.c.shape[2])
    towers = Towers([generator(seed, START) for seed in seeds], inputs, layers, width).to(pairs.a)
    retrain(towers, pairs, until, settings)
    return towers


def _report(students: dict[str, Marks], sums: dict[str, Marks], known: Known) -> Report:
    """The capacity with the best recall (the smaller one where they tie), held against LogSumExp."""
    chosen = max(students, key=lambda name: students[name].judged.recall)
    best = max(sums.values(), key=lambda marks: marks.judged.recall)
    behind, error = students[chosen].behind(best)
    ways = {name: marks.judged for name, marks in (students | sums).items()}
    samples = {"bank": len(known.for_a), "a": len(known.a), "c": len(known.c)}
    return Report(chosen, ways, behind, error, JUDGED, samples)
