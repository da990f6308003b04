"""Pruned scores: how many samples of the bank a query reads, and the time that reranking takes beside exact scores.

The made world of `bench_index`, normalised, with either side the sharper one. Times are of the process, so that a
shared machine does not count; run with `--threads 1`.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from bench import Line
from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.core.critics import Cosine
from ucl.runtime import generator
from ucl.worlds.kinds import KindsWorld

TITLE = "Pruned scores: a tolerance of 0.01 nats"
KINDS, WIDTH, NOISE, BANK, CANDIDATES, QUERIES, BEST, TOLERANCE = 400, 512, 0.04, 20_000, 5_000, 8, 10, 0.01
GRID = 200  # candidates of the grid that is scored to the end


def run() -> Iterator[Line]:
    random = generator(0)
    world = KindsWorld.at_random(KINDS, WIDTH, NOISE, random)
    for scales in ((100.0, 18.6), (18.6, 100.0)):
        bridge = Bridge(Cosine(scales[0]), Cosine(scales[1]), Bank(*world.bank(BANK, random)))
        queries, c = world.sample(0, QUERIES, random), world.sample(1, CANDIDATES, random)
        yield from _lines(bridge, queries, c, f"scales {scales[0]:g} and {scales[1]:g}, bank {BANK:,}")


def _lines(bridge: Bridge, queries: torch.Tensor, c: torch.Tensor, what: str) -> Iterator[Line]:
    pruning = bridge.pruning(TOLERANCE)
    ready = pruning.ready(c, pruning.survey(c))
    pruned, exact, read, off = [], [], [], 0.0
    for query in queries.split(1):
        spent, (scores, bound, samples) = _timed(lambda query=query: pruning.score(query, ready, best=BEST))
        pruned.append(spent)
        read.append(samples.double())
        spent, truth = _timed(lambda query=query: bridge.score(query, c, progress=False).scores[0])
        exact.append(spent)
        sure = bound <= TOLERANCE
        off = max(off, float((scores - truth).abs()[sure].max()))
    ours, theirs = (sorted(times)[len(times) // 2] for times in (pruned, exact))
    reranked = f"{what}: the {BEST} best of {len(c):,}, surveyed"
    yield Line(reranked, f"{1000 * ours:.0f} ms", "exact scores", f"{1000 * theirs:.0f} ms", theirs / ours, "", None)
    counts = torch.cat(read)
    told = f"mean {counts.mean():.0f}, most {counts.max():.0f}; off by at most {off:.0e} nats"
    yield Line(f"{reranked}: samples read", told, "", "", None, f"within {TOLERANCE} nats", off <= TOLERANCE)
    grid = bridge.score(queries, c[:GRID], tolerance=TOLERANCE)
    off = float((grid.scores - bridge.score(queries, c[:GRID], progress=False).scores).abs().max())
    told = f"mean {grid.samples.double().mean():.0f}, most {grid.samples.max()}; off by at most {off:.0e} nats"
    size = f"{what}: a grid of {QUERIES} x {GRID}, all to the end: samples read"
    yield Line(size, told, "", "", None, f"within {TOLERANCE} nats", off <= TOLERANCE)


def _timed(action: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    found = action()
    return time.process_time() - start, found
