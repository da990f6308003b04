"""What a GPU gains: the bridge against its own matrix product, and the jobs that might gain against all cores."""

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path

import torch

from bench import Line
from bench.bench_distil import kinds
from ucl import Bank, Bridge, Cosine
from ucl.core.parts import Parts, score_part
from ucl.distilled.distil import distill_stack
from ucl.distilled.report import WeakStudentWarning
from ucl.distilled.training import Settings
from ucl.experiments.gaussian import recipe_of, sample_draws, world_of
from ucl.experiments.maze.config import MazeTraining
from ucl.experiments.maze.scoring import read_data
from ucl.experiments.params import Params, load_params
from ucl.experiments.scaling.scoring import score_model
from ucl.experiments.synthetic.data import sample
from ucl.experiments.synthetic.training import train_model
from ucl.learning.model_pairs import train_model_pair
from ucl.maze.training import Recipe
from ucl.maze.training import train as train_maze
from ucl.runtime import prepare
from ucl.scale import plan
from ucl.scale.rates import measure
from ucl.tensors import read_tensors
from ucl.worlds.gaussian import Triples

TITLE = "On a GPU"
AB, BC = Cosine(100.0), Cosine(18.6)
PLANNED = (
    plan.Size(4_096, 4_096, 100_000, 256),
    plan.Size(10_000, 10_000, 200_000, 512),
    plan.Size(500, 4_000, 500_000, 64),
)


def run() -> Iterator[Line]:
    if not torch.cuda.is_available():
        print("  there is no GPU that PyTorch can use: nothing measured", flush=True)
        return
    warnings.simplefilter("ignore", WeakStudentWarning)
    yield share_of_the_product()
    yield from the_engine()
    yield from what_is_planned()
    prepare(torch.get_num_threads(), gpu=1)  # as jobs run: deterministic
    for what, work in jobs():
        yield beside_the_cpu(what, work)


def draw(n: int, k: int, m: int, d: int, device: str) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator(device).manual_seed(0)
    return tuple(torch.randn(rows, d, generator=generator, device=device) for rows in (n, k, m, m))


def seconds(work: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def share_of_the_product() -> Line:
    """End to end, hashes and certificates included, against the rate of torch.mm in float32 without TF32."""
    a, c, b1, b2 = draw(10_000, 10_000, 500_000, 512, "cuda")
    bridge = Bridge(AB, BC, Bank(b1, b2), normalize=False)
    bridge.score(a, c, progress=False)
    ours = seconds(lambda: bridge.score(a, c, progress=False))
    x, y = torch.rand(8192, 8192, device="cuda"), torch.rand(8192, 8192, device="cuda")
    torch.mm(x, y)
    theirs = seconds(lambda: [torch.mm(x, y) for _ in range(20)])
    rates = [2 * (2 * 10_000 * 512 + 10_000**2) * 500_000 / ours / 1e12, 20 * 2 * 8192**3 / theirs / 1e12]
    share = rates[0] / rates[1]
    what = f"n = k = 10,000, M = 500,000, d = 512, end to end ({ours:.1f} s)"
    bar = "60 % of it"
    return Line(what, f"{rates[0]:.1f} TFLOP/s", "torch.mm", f"{rates[1]:.1f} TFLOP/s", share, bar, share >= 0.6)


def the_engine() -> Iterator[Line]:
    """Scores with their errors, and one query over prepared candidates."""

    def scored(n: int, m: int, device: str) -> None:
        a, c, b1, b2 = draw(n, n, m, 512, device)
        result = Bridge(AB, BC, Bank(b1, b2)).score(a, c, progress=False)
        assert bool(torch.isfinite(result.standard_error).all())

    yield beside_the_cpu(
        "n = k = 1,000, M = 100,000, d = 512: scores and standard errors", partial(scored, 1000, 100_000)
    )
    ready = {}
    for device in ("cuda", "cpu"):
        a, c, b1, b2 = draw(1, 1000, 500_000, 512, device)
        bridge = Bridge(AB, BC, Bank(b1, b2).prepare(AB, BC, progress=False), normalize=False)
        ready[device] = bridge, a, bridge.prepare(c, progress=False)

    def asked(device: str) -> None:
        bridge, a, candidates = ready[device]
        for _ in range(5):
            bridge.score(a, candidates, progress=False)

    yield beside_the_cpu("5 queries one by one, prepared bank of 500,000, 1,000 prepared candidates", asked)


def what_is_planned() -> Iterator[Line]:
    """`ucl plan`'s hours on a GPU against the clock."""
    rates = measure("cuda")
    for size in PLANNED:
        found = plan.exact(size, rates).seconds
        a, c, b1, b2 = draw(size.queries, size.candidates, size.bank, size.width, "cuda")
        with tempfile.TemporaryDirectory() as folder:
            took = seconds(lambda: _written(a, c, b1, b2, folder))  # noqa: B023
        ratio = found / took
        what = f"ucl plan: exact, {size.queries:,} x {size.candidates:,}, bank {size.bank:,}, width {size.width}"
        yield Line(what, f"{took:.2f} s", "predicted", f"{found:.2f} s", ratio, "within 1.5", 1 / 1.5 < ratio < 1.5)


def _written(a: torch.Tensor, c: torch.Tensor, b1: torch.Tensor, b2: torch.Tensor, folder: str) -> None:
    """As `ucl score --shard 1/1` and `ucl merge`, the bank in the host's memory."""
    path = Path(folder) / "part.safetensors"
    bridge = Bridge(Cosine(60.0), Cosine(20.0), Bank(b1.cpu().numpy(), b2.cpu().numpy()), normalize=False)
    score_part(bridge, a, c, path, progress=False)
    for tile in Parts([path]).tiles(progress=False):
        assert bool(torch.isfinite(tile.scores).all())


def jobs() -> Iterator[tuple[str, Callable[[str], object]]]:
    """The work of the workflow's jobs that train, in part: all seeds of paper scale, fewer steps."""
    params = load_params("params.yaml")
    synthetic = params.synthetic.model_copy(update={"epochs": 2})
    data = sample(synthetic)
    yield (
        f"train_synthetic: {synthetic.seeds} seeds, 2 epochs, L2",
        lambda device: train_model(synthetic, "l2", data, torch.device(device), progress=False),
    )
    training = params.scaling.training(next(iter(params.scaling.models)))
    world = world_of(training)
    pairs = sample_draws(training, world)
    recipe = recipe_of(training)
    recipe = replace(recipe, optimisation=replace(recipe.optimisation, epochs=1))

    def embedded(device: str) -> None:
        there = {name: Triples(*(x.to(device) for x in astuple(pairs[name]))) for name in ("ab", "bc")}
        train_model_pair(recipe, "cosine", there)

    yield "embed_scaling: a joint model, 1 epoch", embedded
    known = [kinds(seed) for seed in range(20)]

    def distilled(device: str) -> None:
        there = [replace(own, **{n: getattr(own, n).to(device) for n in ("for_a", "for_c", "a", "c")}) for own in known]
        distill_stack(there, range(20), settings=Settings(steps=300))

    yield "distilling: 20 seeds as one stack, bank 5,000, 300 steps", distilled
    yield from _maze(params)
    yield from _scaling(params)


def _maze(params: Params) -> Iterator[tuple[str, Callable[[str], object]]]:
    root = Path("results/maze/data")
    if not root.exists():
        print("  no maze data under results/: train_maze not measured", flush=True)
        return
    futures, annotations, tokenizer = read_data("fork", root)
    recipe = Recipe(**(params.maze.part(MazeTraining) | {"steps": 30}))
    yield (
        f"train_maze: {recipe.seeds} seeds, 30 steps",
        lambda device: train_maze(futures, annotations, len(tokenizer), recipe, device=device, progress=False),
    )


def _scaling(params: Params) -> Iterator[tuple[str, Callable[[str], object]]]:
    path = Path("results/scaling/language/embeddings.safetensors")
    if not path.exists():
        print("  no embeddings of scaling under results/: score_scaling not measured", flush=True)
        return
    few = params.scaling.model_copy(update={"trials": 2})
    own = {name: x for name, x in read_tensors(path).items() if name != "exact"}
    there = {device: {name: x.to(device) for name, x in own.items()} for device in ("cuda", "cpu")}
    what = f"score_scaling: {few.trials} trials of language, {few.sizes} bank sizes up to {few.largest:,}"
    yield what, lambda device: score_model(few, there[device], progress=False)


def beside_the_cpu(what: str, work: Callable[[str], object]) -> Line:
    """Seconds on the GPU, kernels loaded, beside all cores of the same machine."""
    work("cuda")
    ours, theirs = seconds(lambda: work("cuda")), seconds(lambda: work("cpu"))
    peer = f"the CPU, {torch.get_num_threads()} threads"
    return Line(what, f"{ours:.2f} s", peer, f"{theirs:.2f} s", theirs / ours, "", None)
