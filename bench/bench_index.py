"""Indexes of C, asked for what the exact bridge finds: by a student's vectors, and by the barycentre in C's own space.

A made world of 400 kinds of things, embedded by two models that share nothing: widths 512, scales 100 and 18.6, a bank
of 20,000. The bridge normalises, as is the default. Holds two copies of the candidates (4 GB for a million).
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from bench import Line
from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.core.critics import Cosine
from ucl.core.readers import Rows, as_rows
from ucl.distilled import nearest
from ucl.distilled.distil import distill
from ucl.distilled.report import weak_allowed
from ucl.distilled.reranking import TOLERANCE, Reranker, Survey
from ucl.runtime import generator
from ucl.worlds.kinds import KindsWorld

TITLE = "Indexes: the exact bridge's ten best"
CANDIDATES = 1_000_000
KINDS, WIDTH, NOISE, BANK, SAMPLES, QUERIES, BEST = 400, 512, 0.04, 20_000, 5_000, 50, 10
DEPTHS = (100, 1_000, 5_000)
PART = 20_000  # candidates of the retrieval that is timed for one query: its time grows with their number
SOON, FOUND, FASTER = 100.0, 0.95, 100
Search = Callable[[Tensor, int], Tensor]


def run() -> Iterator[Line]:
    random = generator(0)
    world = KindsWorld.at_random(KINDS, WIDTH, NOISE, random)
    bridge = Bridge(Cosine(100.0), Cosine(18.6), Bank(*world.bank(BANK, random)))
    queries, samples = world.sample(0, QUERIES, random), [world.sample(side, SAMPLES, random) for side in (0, 1)]
    with weak_allowed():
        student = distill(bridge, *samples)
    yield from _lines(bridge, queries, world.sample(1, CANDIDATES, random), student)


def _lines(bridge: Bridge, queries: Tensor, c: Tensor, student: object) -> Iterator[Line]:
    start = time.perf_counter()
    exact = bridge.retrieve(queries, c, BEST, progress=False).indices
    together = time.perf_counter() - start
    start = time.perf_counter()
    bridge.retrieve(queries[:1], c[:PART], BEST, progress=False)
    alone = (time.perf_counter() - start) * len(c) / PART
    start, rows = time.perf_counter(), as_rows(c, "c")
    rerank = Reranker(bridge, TOLERANCE, Survey.of(bridge, rows))
    size, spent = f"{len(c):,} candidates", time.perf_counter() - start
    yield Line(f"{size}: survey, once", f"{spent:.0f} s", "", "", None, "", None)
    yield Line(f"{size}: Bridge.retrieve of {QUERIES} queries", f"{together:.0f} s", "", "", None, "", None)
    seen = lambda query: normalize(bridge.query_vectors(query), dim=1)  # noqa: E731
    ways = {"student": (student.embed_c(c), student.embed_a), "barycentre": (c, seen)}  # type: ignore[attr-defined]
    for way, (vectors, embed) in ways.items():
        search = _search(vectors, embed)
        for depth in DEPTHS:
            found, milliseconds = _ask(search, rerank, queries, rows, exact, depth)
            what, last = f"{size}, {way}, {depth:,} reranked: ten best found", depth == DEPTHS[-1]
            bar, met = (f"at least {FOUND}", found >= FOUND) if last else ("", None)
            yield Line(what, f"{found:.3f}", "", "", None, bar, met)
            ratio, what = 1000 * alone / milliseconds, f"{size}, {way}, {depth:,} reranked: a query, median"
            bar = f"under {SOON:.0f} ms, {FASTER} times faster" if last else ""
            met = milliseconds < SOON and ratio >= FASTER if last else None
            peer = f"Bridge.retrieve of one query (of {PART:,} candidates, times {len(c) / PART:.0f})"
            yield Line(what, f"{milliseconds:.0f} ms", peer, f"{alone:.1f} s", ratio, bar, met)


def _search(vectors: Tensor, embed: Callable[[Tensor], Tensor]) -> Search:
    index = nearest.made(np.ascontiguousarray(vectors.numpy()))
    asked = lambda query: np.ascontiguousarray(embed(query).numpy())  # noqa: E731
    return lambda query, depth: torch.from_numpy(nearest.searched(index, asked(query), depth)[1])


def _ask(search: Search, rerank: Reranker, queries: Tensor, c: Rows, exact: Tensor, depth: int) -> tuple[float, float]:
    """Share of the exact ten best that is found, and the median milliseconds of a query, reranking included."""
    hits, spent = [], []
    for query, best in zip(queries.split(1), exact, strict=True):
        start = time.perf_counter()
        found = rerank(query, c, search(query, depth), BEST)[0][0]
        spent.append(1000 * (time.perf_counter() - start))
        hits.append(float(torch.isin(best, found).double().mean()))
    return sum(hits) / len(hits), sorted(spent)[len(spent) // 2]
