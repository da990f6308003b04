"""Time to distil: seeds as one stack against one after the other, and a student of wide models."""

import time
import warnings
from collections.abc import Iterator

from bench import Line
from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.core.critics import Cosine
from ucl.distilled.distil import distill, distill_stack
from ucl.distilled.draws import Known
from ucl.distilled.report import WeakStudentWarning
from ucl.distilled.training import Settings
from ucl.runtime import generator
from ucl.worlds.kinds import KindsWorld

TITLE = "Distilling"
SEEDS, ALONE, STEPS = 20, 4, 300  # seeds in a stack, seeds timed one after the other, steps of both
FASTER, SOON = 5, 120.0


def run() -> Iterator[Line]:
    warnings.simplefilter("ignore", WeakStudentWarning)
    known, settings = [kinds(seed) for seed in range(SEEDS)], Settings(steps=STEPS)
    start = time.perf_counter()
    for seed in range(ALONE):
        distill_stack([known[seed]], [seed], settings=settings)
    alone = (time.perf_counter() - start) / ALONE
    start = time.perf_counter()
    distill_stack(known, range(SEEDS), settings=settings)
    stacked = (time.perf_counter() - start) / SEEDS
    what = f"a seed of {SEEDS} as one stack: bank 5,000, 2,000 + 2,000 samples, widths 8, {STEPS} steps"
    peer, bar = f"one after the other (mean of {ALONE})", f"{FASTER} times faster"
    yield Line(what, f"{stacked:.2f} s", peer, f"{alone:.2f} s", alone / stacked, bar, alone / stacked >= FASTER)
    random = generator(0)
    world = KindsWorld.at_random(400, 512, 0.04, random)
    bridge = Bridge(Cosine(100.0), Cosine(18.6), Bank(*world.bank(10_000, random)))
    samples = [world.sample(side, 5_000, random) for side in (0, 1)]
    start = time.perf_counter()
    student = distill(bridge, *samples)
    seconds = time.perf_counter() - start
    size = "widths 512, bank 10,000, 5,000 + 5,000 samples"
    what = f"one student: {size}, {Settings.steps:,} steps, chosen: {student.report.chosen}"
    yield Line(what, f"{seconds:.0f} s", "", "", None, f"under {SOON:.0f} s", seconds < SOON)


def kinds(seed: int) -> Known:
    random = generator(seed, 1)
    world = KindsWorld.at_random(50, 8, 0.2, random)
    for_a, for_c = world.bank(5_000, random)
    a, c = (world.sample(side, 2_000, random) for side in (0, 1))
    return Known(Cosine(20.0), Cosine(20.0), for_a, for_c, a, c)
