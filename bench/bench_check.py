"""`ucl.check` on a bank of the size of a large caption set: 100,000 samples, 512 numbers a side."""

import time
from collections.abc import Iterator

import torch

from bench import Line
from ucl.core.bank import Bank
from ucl.core.critics import Cosine
from ucl.runtime import generator
from ucl.trust.check import check

TITLE = "ucl check: a large bank"
SAMPLES, WIDTH, LATENT, BAR = 100_000, 512, 24, 20.0


def run() -> Iterator[Line]:
    """A sound bank, and one of which a tenth of one side's rows is displaced."""
    random = generator(0)
    shared = torch.randn(SAMPLES, LATENT, generator=random)
    sides = [
        torch.tanh(shared @ torch.randn(LATENT, WIDTH, generator=random) / 5)
        + 0.3 * torch.randn(SAMPLES, WIDTH, generator=random)
        for _ in range(2)
    ]
    moved = torch.randperm(SAMPLES, generator=random)[: SAMPLES // 10]
    for what, expected in (("sound", "ok"), ("a tenth of one side's rows displaced", "error")):
        if expected == "error":
            sides[1][moved] = sides[1][moved.roll(1)]
        start = time.perf_counter()
        found = check(Bank(*sides), Cosine(20.0), Cosine(20.0))
        seconds = time.perf_counter() - start
        level = found["order"].level
        bar = f"under {BAR:.0f} s, and the order {expected}"
        size = f"{SAMPLES:,} x {WIDTH} twice, {what}"
        yield Line(size, f"{seconds:.1f} s, {level}", "", "", None, bar, seconds < BAR and level == expected)
