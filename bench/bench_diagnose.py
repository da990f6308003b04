"""`ucl.diagnose` on embeddings of the size of common models: 1,000 queries and candidates, a bank of 10,000."""

import time
from collections.abc import Iterator

import torch
from torch.nn.functional import normalize

from bench import Line
from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.core.critics import Cosine
from ucl.runtime import generator
from ucl.trust.diagnose import diagnose

TITLE = "ucl diagnose: which bridge"
BANK, ROWS, WIDTH, KINDS, NOISE, BAR = 10_000, 1_000, 512, 400, 0.04, 60.0


def run() -> Iterator[Line]:
    """Things of many kinds, embedded by two models that share nothing; no held-out pairs, then 500 of each model."""
    random = generator(0)
    draw = lambda *shape: torch.randn(*shape, generator=random)  # noqa: E731
    centres = [normalize(draw(KINDS, WIDTH), dim=1) for _ in range(2)]

    def embed(side: int, kinds: torch.Tensor) -> torch.Tensor:
        return normalize(centres[side][kinds] + NOISE * draw(len(kinds), WIDTH), dim=1)

    bank, a, c, ab, bc = (torch.randint(KINDS, (n,), generator=random) for n in (BANK, ROWS, ROWS, 500, 500))
    bridge = Bridge(Cosine(40.0), Cosine(30.0), Bank(embed(0, bank), embed(1, bank)), normalize=False)
    queries, candidates = embed(0, a), embed(1, c)
    pairs = {
        "pairs_ab": (embed(0, ab), embed(0, ab), embed(1, ab)),
        "pairs_bc": (embed(1, bc), embed(0, bc), embed(1, bc)),
    }
    for what, given in (("no pairs", {}), ("500 held-out pairs of each model", pairs)):
        start = time.perf_counter()
        found = diagnose(bridge, queries, candidates, progress=False, **given)
        seconds = time.perf_counter() - start
        size = f"{ROWS:,} x {ROWS:,}, bank {BANK:,}, width {WIDTH}, {what}"
        yield Line(size, f"{seconds:.0f} s, {found.verdict}", "", "", None, f"under {BAR:.0f} s", seconds < BAR)
