"""Unit costs of one core or of one GPU, measured by running the engine's own parts; in seconds.

Of processor time on a core, not of the clock: on a machine with other work it is what the work itself took.
"""

import json
import math
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch

from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.core.critics import Cosine, dot_products
from ucl.core.log_sum_exp import Exponentials, ScoreBlocks, ScorePair, log_sums
from ucl.core.parts import Parts
from ucl.core.scores import SideScores
from ucl.distilled.nearest import FLAT, LEARNED, PROBED, ROUNDS, lists_of, made
from ucl.errors import InputError
from ucl.extras import needs
from ucl.files import read_json
from ucl.runtime import generator

__all__ = ["Rates", "made_of", "measure"]

REPEATS = 5  # of each, of which the least counts


@dataclass(frozen=True)
class Rates:
    """Seconds of one core, or of one GPU, for one of each; and where they were measured."""

    product: float  # multiplication and addition of the float32 product that makes the grid
    score: float  # the same of scores against the bank: rows brought to norm one, the largest scores checked
    exponential: float  # score to an exponential, its maximum and its sum
    entry: float  # of the grid: its certificate and its logarithm
    block: float  # of the grid, for each block of samples: what is added up in float64
    read: float  # byte of a bank, from memory or a fast disk, and its digest
    part: float  # byte of a part: written, sealed, its seal checked, read and merged
    survey: float  # exponential of a score, in float64: once for every candidate and sample, within a tolerance
    kept: float  # sample that matters to a pair, within a tolerance: its exponential and the bookkeeping
    search: float  # multiplication and addition of a search in an index that compares all
    assign: float  # the same where an index of lists is made
    probe: float  # the same of a search in it
    cores: int
    where: str
    device: str = "cpu"  # or "cuda"

    @staticmethod
    def load(path: str | Path) -> "Rates":
        """Those of a file that `ucl plan --measure` wrote."""
        try:
            rates = Rates(**read_json(path))
        except FileNotFoundError:
            raise InputError(f"no such file: {path}; measure rates with `ucl plan --measure --rates {path}`") from None
        except (ValueError, TypeError, AttributeError):
            names = ", ".join(one.name for one in fields(Rates))
            raise InputError(f"{path} holds no rates: expected {names}; measure them with --measure") from None
        rates._check(path)
        return rates

    def _check(self, path: str | Path) -> None:
        """Raise where a unit cost is none, or where the device is one of which nothing is planned."""
        for name, value in asdict(self).items():
            if name in ("cores", "where", "device"):
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise InputError(f"{path}: {name} must be seconds, a number from 0: got {value!r}; measure again")
        if self.device not in ("cpu", "cuda"):
            raise InputError(f"{path}: device must be cpu or cuda: got {self.device!r}; measure again")

    @staticmethod
    def shipped(device: str) -> "Rates":
        """Those that come with the package: of a core (`cpu`) or of a GPU (`cuda`)."""
        return Rates.load(Path(str(files("ucl.scale"))) / f"rates_{device}.json")

    def to_json(self) -> str:
        """As `load` reads it."""
        return json.dumps(asdict(self), indent=2) + "\n"


def measure(device: str = "cpu") -> Rates:
    """Measure all of them on one core, or on one GPU (`cuda`); about twenty seconds on a machine without other work.

    An index is one of the CPU in either case.
    """
    needs("index", "faiss")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        on = _On(torch.device(device))
        product, exponential = _product(on), _exponential(on)
        entry, block = _grid(on, product)
        score = _score(on)
        engine = (product, score, exponential, entry, block, _read(on), _part(on), *_tolerance(on, score))
        rates = (*engine, _search(), *_lists())
    finally:
        torch.set_num_threads(threads)
    gpu = on.device.type == "cuda"
    where = f"{torch.cuda.get_device_name(on.device) if gpu else platform.machine()}, torch {torch.__version__}"
    return Rates(*rates, 1 if gpu else os.cpu_count() or 1, where, on.device.type)


@dataclass(frozen=True)
class _On:
    """Where unit costs are measured, and how many times larger than on a core the pieces are that fill it."""

    device: torch.device

    @property
    def times(self) -> int:
        return 1 if self.device.type == "cpu" else 4

    def draw(self, *shape: int) -> torch.Tensor:
        return _draw(*shape).to(self.device)

    def least(self, work: Callable[[], object]) -> float:
        """Seconds of `work`, the least of some runs: of the processor, or by the clock until a GPU has done it."""
        return _least(work, time.process_time if self.device.type == "cpu" else self._clock)

    def _clock(self) -> float:
        torch.cuda.synchronize(self.device)
        return time.perf_counter()


def _least(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Seconds of `work`, the least of some runs; of processor time if nothing else is said."""
    found = []
    for _ in range(REPEATS):
        start = clock()
        work()
        found.append(clock() - start)
    return min(found)


def _draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(0))


def _product(on: _On) -> float:
    n = 1024 * on.times
    x, y = on.draw(n, 2048), on.draw(2048 * on.times, 2048)
    return on.least(lambda: dot_products(x, y)) / (n * len(y) * 2048)


def _score(on: _On) -> float:
    n = 1024 * on.times
    anchors, samples = on.draw(n, 256), on.draw(2048, 256)
    return on.least(lambda: SideScores(Cosine(20.0), anchors, "a", torch.float32)(samples, False)) / (n * 2048 * 256)


def _tolerance(on: _On, score: float) -> tuple[float, float]:
    """Of the survey of candidates, and of what queries then take."""
    n, k, m, d = 50, 1000 * on.times, 5000, 32
    rows = torch.nn.functional.normalize(on.draw(m, d), dim=1)
    bridge = Bridge(Cosine(60.0), Cosine(20.0), Bank(rows), normalize=False)
    pruning = bridge.pruning(0.01)
    surveyed = on.least(lambda: pruning.survey(rows[:k]))
    matter = float(bridge.score(rows[:n], rows[:k], tolerance=0.01).samples.sum())
    seconds = on.least(lambda: bridge.score(rows[:n], rows[:k], tolerance=0.01)) - surveyed - n * m * d * score
    return max(0.0, surveyed / (k * m) - d * score), max(0.0, seconds) / matter


def _exponential(on: _On) -> float:
    scores = on.draw(1024 * on.times, 2048)
    return on.least(lambda: Exponentials.of(scores.clone())) / scores.numel()


class _Repeated(ScoreBlocks):
    """The same scores of few samples as several blocks."""

    def __init__(self, on: _On, rows: int, columns: int, samples: int, blocks: int) -> None:
        self.rows, self.columns, self.device = rows, columns, on.device
        self.pair, self.blocks = (on.draw(rows, samples), on.draw(columns, samples)), blocks

    def __call__(
        self, dtype: torch.dtype, rows: torch.Tensor | None = None, columns: torch.Tensor | None = None
    ) -> Iterator[ScorePair]:
        for _ in range(self.blocks):
            yield self.pair[0].clone(), self.pair[1].clone()


def _grid(on: _On, product: float) -> tuple[float, float]:
    """Per entry, and per entry and block: a grid over one block of few samples, and over five."""
    n, k, m = 1024 * on.times, 2048 * on.times, 64

    def seconds(blocks: int) -> float:
        return on.least(lambda: log_sums(_Repeated(on, n, k, m, blocks), torch.float32)) / (n * k)

    one, five = seconds(1), seconds(5)
    block = max(0.0, (five - one) / 4 - m * product)
    return max(0.0, one - block - m * product), block


def _read(on: _On) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bank.npy"
        np.save(path, _draw(16_384, 512).numpy())
        bank = Bank(str(path))
        seconds = on.least(lambda: [block.to(on.device) for block, _ in bank.blocks(bank.cuts_for(2048), False)])
        return seconds / (16_384 * 512 * 4)


def _part(on: _On) -> float:
    result = Bridge(Cosine(20.0), Cosine(20.0), Bank(on.draw(8, 16))).score(on.draw(1024, 16), on.draw(4096, 16))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.safetensors"

        def work() -> None:
            result.save(path, errors=False)
            for tile in Parts([path]).tiles(progress=False):
                assert tile.scores.shape[1] == 4096

        return on.least(work) / (1024 * 4096 * 8)


def _search() -> float:
    vectors, queries = _draw(65_536, 64).numpy(), _draw(256, 64).numpy()
    return _least(lambda: made(vectors).search(queries, 100)) / (65_536 * 64 * 256)


def _lists() -> tuple[float, float]:
    count = FLAT + 10_000
    vectors, queries = torch.nn.functional.normalize(_draw(count, 64), dim=1).numpy(), _draw(256, 64).numpy()
    start = time.process_time()
    index = made(vectors)
    assign = (time.process_time() - start) / (made_of(count) * 64)
    probed = count / PROBED + math.isqrt(count)
    return assign, _least(lambda: index.search(queries, 100)) / (probed * 64 * 256)


def made_of(vectors: int, every: int = 0) -> float:
    """Comparisons of a vector with a list's centre where an index of lists is made: training, and filling it.

    `every` says of how many vectors these are a shard.
    """
    lists = lists_of(vectors, every)
    return float(lists) * (vectors + ROUNDS * LEARNED * lists)
