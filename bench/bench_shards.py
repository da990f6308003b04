"""Banks in shards: what the work of `scaling` costs in one, two, four and eight shards, and a merge by its grid.

Processor seconds of one thread: on two cores the total counts, not how fast it is over. A job more on a cluster costs
besides what a process needs to begin: the last line.
"""

import subprocess
import sys
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
from ucl.experiments.scaling.config import ScalingRun
from ucl.experiments.scaling.scoring import score_model, score_shard
from ucl.runtime import generator

TITLE = "Banks in shards"
RUN = ScalingRun(seed=0, trials=2, candidates=1000, queries=200, largest=100_000, sizes=15)
GRIDS, PARTS = (1_000, 2_000, 4_000), 8


def run() -> Iterator[Line]:
    """The work of two trials over 100,000 samples; merges of eight parts; a process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    shapes = {"a": 2000, "c": 2000, "b_for_a": RUN.largest}
    embeddings = {n: torch.randn(m, 16, generator=generator(0, m)) for n, m in shapes.items()}
    embeddings |= {"scale_ab": torch.tensor([20.0]).double(), "scale_bc": torch.tensor([20.0]).double()}
    start = time.process_time()
    score_model(RUN, embeddings, progress=False)
    whole = time.process_time() - start
    yield Line("scaling, one job", f"{whole:.1f} s", "", "", None, "", None)
    for count in (2, 4, 8):
        scored, merged, size = _shards(embeddings, count)
        told = f"{scored:.1f} s in shards, {merged:.1f} s to merge, {size / 1e6:.0f} MB of parts"
        yield Line(f"scaling, {count} shards", told, "one job", f"{whole:.1f} s", (scored + merged) / whole, "", None)
    for rows in GRIDS:
        seconds = _merge(rows)
        told = f"{seconds:.2f} s, {1e9 * seconds / (PARTS * rows**2):.1f} ns an entry and part"
        yield Line(f"merge of {PARTS} parts, {rows:,} x {rows:,}", told, "", "", None, "", None)
    yield Line("a job's process: Snakemake reads the workflow", f"{_process():.1f} s", "", "", None, "", None)
    torch.set_num_threads(threads)


def _shards(embeddings: dict[str, torch.Tensor], count: int) -> tuple[float, float, int]:
    with tempfile.TemporaryDirectory() as folder:
        folders = [Path(folder) / str(i) for i in range(count)]
        start = time.process_time()
        for i, one in enumerate(folders):
            score_shard(RUN, embeddings, (i, count), one, progress=False)
        scored = time.process_time()
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.safetensors"))
        score_model(RUN, embeddings, progress=False, shards=folders)
        return scored - start, time.process_time() - scored, size


def _merge(rows: int) -> float:
    a, c, b = (torch.randn(n, 32, generator=generator(0, i)) for i, n in enumerate((rows, rows, PARTS * 100)))
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i}.safetensors" for i in range(PARTS)]
        for i, path in enumerate(paths):
            score_part(Bridge(Cosine(20.0), Cosine(20.0), Bank(b).shard(i, PARTS)), a, c, path, progress=False)
        start = time.process_time()
        for tile in Parts(paths).tiles(progress=False):
            assert tile.scores.shape[1] == rows
        return time.process_time() - start


def _process() -> float:
    """Processor seconds of a `snakemake` that has nothing to do but to read the workflow; a job on Slurm starts two."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "snakemake", "--directory", folder, "--cores", "1", "--list-rules"]
        timed = f"import resource, subprocess; subprocess.run({words!r}, capture_output=True, check=True); "
        timed += "r = resource.getrusage(resource.RUSAGE_CHILDREN); print(r.ru_utime + r.ru_stime)"
        return float(subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True).stdout)
