"""`ucl plan` against what it plans: processor seconds of one thread, rates measured just before."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from bench import Line
from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.core.critics import Cosine
from ucl.core.parts import Parts, score_part
from ucl.distilled.nearest import made
from ucl.runtime import generator
from ucl.scale import plan
from ucl.scale.rates import measure

TITLE = "ucl plan: predicted and measured"
BAR = 1.5
SIZES = (
    plan.Size(500, 2_000, 20_000, 64, shards=2),
    plan.Size(1_000, 1_000, 20_000, 512),
    plan.Size(4_000, 4_000, 8_000, 128),
)
INDEX = (plan.Size(500, 100_000, 1, plan.WIDTH, 0), plan.Size(2_000, 400_000, 1, plan.WIDTH, 0))
TOLERANCE = plan.Size(200, 2_000, 20_000, 64)


def run() -> Iterator[Line]:
    """Exact scores at three sizes, an index of each kind, and scores within a tolerance."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rates = measure()
    for size in SIZES:
        yield _line(f"exact, {_named(size)}, {size.shards} shards", _exact(size), plan.exact(size, rates).seconds)
    for size in INDEX:
        found = plan.distilled(size, rates)
        yield _line(f"index built and searched, {_named(size)}", _index(size), found.seconds)
    seconds, kept = _tolerance(TOLERANCE)
    size = plan.Size(TOLERANCE.queries, TOLERANCE.candidates, TOLERANCE.bank, TOLERANCE.width, kept)
    yield _line(f"within 0.01, {_named(size)}, {kept:.2g} of the bank", seconds, plan.tolerance(size, rates).seconds)
    torch.set_num_threads(threads)


def _named(size: plan.Size) -> str:
    return f"{size.queries:,} x {size.candidates:,}, bank {size.bank:,}, width {size.width}"


def _line(what: str, seconds: float, expected: float) -> Line:
    ratio = expected / seconds
    met = 1 / BAR < ratio < BAR
    return Line(what, f"{seconds:.2f} s", "predicted", f"{expected:.2f} s", ratio, f"within {BAR}", met)


def _draw(*shape: int, purpose: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(0, purpose))


def _exact(size: plan.Size) -> float:
    a, c, b = (_draw(rows, size.width, purpose=i) for i, rows in enumerate((size.queries, size.candidates, size.bank)))
    with tempfile.TemporaryDirectory() as folder:
        start, paths = time.process_time(), []
        for i in range(size.shards):
            bridge = Bridge(Cosine(60.0), Cosine(20.0), Bank(b).shard(i, size.shards))
            paths.append(Path(folder) / f"{i}.safetensors")
            score_part(bridge, a, c, paths[-1], progress=False)
        for tile in Parts(paths).tiles(progress=False):
            assert torch.isfinite(tile.scores).all()
        return time.process_time() - start


def _index(size: plan.Size) -> float:
    vectors, queries = (
        torch.nn.functional.normalize(_draw(rows, plan.WIDTH, purpose=rows), dim=1).numpy()
        for rows in (size.candidates, size.queries)
    )
    start = time.process_time()
    made(vectors).search(queries, 100)
    return time.process_time() - start


def _tolerance(size: plan.Size) -> tuple[float, float]:
    """Seconds, and the share of the bank that was read: queries and candidates that are near some of its samples."""
    bank = torch.nn.functional.normalize(_draw(size.bank, size.width), dim=1)
    a, c = (bank[:rows] + 0.05 * _draw(rows, size.width, purpose=7) for rows in (size.queries, size.candidates))
    bridge = Bridge(Cosine(60.0), Cosine(20.0), Bank(bank), normalize=False)
    start = time.process_time()
    found = bridge.score(a, c, tolerance=0.01)
    return time.process_time() - start, float(found.samples.double().mean()) / size.bank
