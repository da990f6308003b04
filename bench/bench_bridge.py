"""The bridge against what a reader would otherwise write, and against the machine's own matrix product."""

import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from bench import Line, median_seconds
from ucl import Bank, Bridge, Cosine
from ucl.core.spot_check import SpotCheck

TITLE = "The bridge: LogSumExp over a bank"
AB, BC = Cosine(100.0), Cosine(18.6)
Arrays = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def run() -> Iterator[Line]:
    yield from against_peers(*draw(500, 500, 10_000, 512))
    yield from exponents()
    with tempfile.TemporaryDirectory() as folder:
        yield from checks(Path(folder))
        yield from single_query(Path(folder))
        yield from memory_mapped(Path(folder))
    yield from exactness()


def draw(n: int, k: int, m: int, d: int) -> Arrays:
    generator = torch.Generator().manual_seed(0)
    a, c, b1, b2 = (torch.randn(rows, d, generator=generator) for rows in (n, k, m, m))
    return a, c, b1, b2


def broadcast(a: torch.Tensor, c: torch.Tensor, b1: torch.Tensor, b2: torch.Tensor, chunk: int = 4) -> torch.Tensor:
    """What one would write first: torch.logsumexp over the broadcast grid, a few queries at a time."""
    s, t = AB(a, b1), BC(c, b2)
    parts = [torch.logsumexp(part[:, None] + t[None], -1) for part in s.split(chunk)]
    return torch.cat(parts) - math.log(len(b1))


def blocks_of_exponentials(a: torch.Tensor, c: torch.Tensor, b1: torch.Tensor, b2: torch.Tensor) -> torch.Tensor:
    """Sums of exp in blocks of 100 samples (no protection against overflow)."""
    s, t = AB(a, b1), BC(c, b2)
    total = torch.zeros(len(a), len(c))
    for x, y in zip(s.split(100, 1), t.split(100, 1), strict=True):
        total += (x[:, None] + y[None]).exp_().sum(-1)
    return total.log_() - math.log(len(b1))


def products(a: torch.Tensor, c: torch.Tensor, b1: torch.Tensor, b2: torch.Tensor) -> None:
    """The three matrix products alone, at the best of torch.mm."""
    s, t = torch.mm(a, b1.T), torch.mm(c, b2.T)
    torch.mm(s, t.T)


def against_peers(*arrays: torch.Tensor) -> Iterator[Line]:
    a, c, b1, b2 = arrays
    bridge = Bridge(AB, BC, Bank(b1, b2), normalize=False)
    ours, mm = median_seconds(lambda: bridge.score(a, c, progress=False).scores, lambda: products(*arrays), repeats=15)
    prepared = Bridge(AB, BC, Bank(b1, b2).prepare(AB, BC, progress=False), normalize=False)
    ready, mm_again = median_seconds(
        lambda: prepared.score(a, c, progress=False).scores, lambda: products(*arrays), repeats=15
    )
    naive, sums = median_seconds(
        lambda: broadcast(*arrays), lambda: blocks_of_exponentials(*arrays), repeats=1, warm_up=False
    )
    size = "n = k = 500, M = 10,000, d = 512, float32"
    peer = "chunked torch.logsumexp"
    yield Line(size, f"{ours:.3f} s", peer, f"{naive:.2f} s", naive / ours, "60 times faster", naive / ours >= 60)
    yield Line(size, f"{ours:.3f} s", "exp summed in blocks of 100", f"{sums:.2f} s", sums / ours, "", None)
    rate, bar = (len(a) + len(c)) * b1.numel() * 2 + 2 * len(a) * len(c) * len(b1), "70 % of it"
    peer = "torch.mm, three products"
    yield Line(
        f"{size}: {rate / ours / 1e9:.0f} GFLOP/s",
        f"{ours:.3f} s",
        peer,
        f"{mm:.3f} s",
        mm / ours,
        bar,
        mm / ours >= 0.7,
    )
    share = mm_again / ready
    yield Line(
        f"the same, prepared bank: {rate / ready / 1e9:.0f} GFLOP/s",
        f"{ready:.3f} s",
        peer,
        f"{mm_again:.3f} s",
        share,
        bar,
        share >= 0.7,
    )


def checks(folder: Path) -> Iterator[Line]:
    """What is looked at during a score of a bank that was prepared, and verified when it was opened."""
    a, c, b1, b2 = draw(500, 500, 10_000, 512)
    Bank(b1, b2).prepare(AB, BC, folder / "checked", progress=False)
    bridge = Bridge(AB, BC, Bank.load(folder / "checked"), normalize=False)

    def without() -> None:
        with mock.patch.object(SpotCheck, "_off", return_value=False):
            bridge.score(a, c, progress=False)

    ours, bare = median_seconds(lambda: bridge.score(a, c, progress=False), without, repeats=61)
    what = f"n = k = 500, M = 10,000, d = 512, bank opened from its folder: checks take {100 * (ours / bare - 1):.1f} %"
    yield Line(what, f"{ours:.4f} s", "without them", f"{bare:.4f} s", bare / ours, "at most 5 %", ours <= 1.05 * bare)


def exponents() -> Iterator[Line]:
    a, c, b1, b2 = draw(1000, 1000, 160_000, 64)
    banks, sides = [20_000, 40_000, 80_000, 160_000], [2000, 2828, 4000, 5657]
    bridges = [Bridge(AB, BC, Bank(b1[:m], b2[:m]), normalize=False) for m in banks]
    in_m = median_seconds(*(lambda b=b: b.score(a[:300], c[:300], progress=False).scores for b in bridges))
    a, c, b1, b2 = draw(sides[-1], sides[-1], 4096, 16)
    bridge = Bridge(Cosine(50.0), Cosine(15.0), Bank(b1, b2), normalize=False)
    in_grid = median_seconds(*(lambda s=s: bridge.score(a[:s], c[:s], progress=False).scores for s in sides))
    for what, sizes, times in (("M", banks, in_m), ("n k", [s * s for s in sides], in_grid)):
        slope = float(np.polyfit(np.log(sizes), np.log(times), 1)[0])
        reach = f"{sizes[0]:,} to {sizes[-1]:,}"
        yield Line(
            f"growth of time with {what}, {reach}",
            f"exponent {slope:.3f}",
            "",
            "",
            None,
            "within 0.05 of 1",
            abs(slope - 1) <= 0.05,
        )


def single_query(folder: Path) -> Iterator[Line]:
    a, c, b1, b2 = draw(1, 1000, 500_000, 512)
    bank = Bank(b1, b2).prepare(AB, BC, folder / "bank", progress=False)
    bridge = Bridge(AB, BC, bank, normalize=False)
    candidates = bridge.prepare(c, progress=False)
    (ours,) = median_seconds(lambda: bridge.score(a, candidates).scores, repeats=7)
    what = "one query, prepared bank of 500,000, 1,000 prepared candidates, d = 512"
    yield Line(what, f"{1000 * ours:.0f} ms", "", "", None, "under 500 ms", ours < 0.5)


MEMORY_MAPPED = """
import re, sys, time
import numpy as np
import torch
from ucl import Bank, Bridge, Cosine
folder, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
generator = torch.Generator().manual_seed(1)
a, c = (torch.randn(1000, 512, generator=generator).numpy() for _ in range(2))
start = time.perf_counter()
bank = Bank(np.load(f"{folder}/b1.npy", mmap_mode="r"), np.load(f"{folder}/b2.npy", mmap_mode="r"))
Bridge(Cosine(100.0), Cosine(18.6), bank, normalize=False).score(a, c, progress=False).scores
seconds = time.perf_counter() - start
# Not getrusage: its peak includes the parent's, from before this program was loaded.
print(seconds, int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read()).group(1)) / 2**20)
"""


def memory_mapped(folder: Path) -> Iterator[Line]:
    generator = np.random.default_rng(0)
    for name in ("b1", "b2"):
        file = np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.float32, shape=(500_000, 512))
        for start in range(0, len(file), 50_000):
            file[start : start + 50_000] = generator.standard_normal((50_000, 512), dtype=np.float32)
        file.flush()
    command = [sys.executable, "-c", MEMORY_MAPPED, str(folder), str(torch.get_num_threads())]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, peak = (float(v) for v in answer.stdout.split())
    what = "n = k = 1,000, M = 500,000, d = 512 from memory-mapped .npy files"
    yield Line(what, f"{seconds:.1f} s, peak {peak:.2f} GiB", "", "", None, "finishes under 4 GB", peak < 4e9 / 2**30)


def exactness() -> Iterator[Line]:
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "tests/core/test_hard_banks.py"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    last = answer.stdout.strip().splitlines()[-1]
    outside = "0 entries outside the stated error" if answer.returncode == 0 else "entries outside the stated error"
    yield Line(
        "hard banks (tests/core/test_hard_banks.py)",
        f"{outside} ({last})",
        "",
        "",
        None,
        "zero entries",
        answer.returncode == 0,
    )
