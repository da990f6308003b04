"""A step of the stacked training beside a plainer one, and beside torch.compile."""

import copy
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median

import torch
from torch import Tensor, nn

from bench import Line
from ucl.core.critics import CRITICS
from ucl.experiments.params import load_params
from ucl.experiments.synthetic.data import sample
from ucl.experiments.synthetic.training import build_model
from ucl.learning.encoders import stack
from ucl.learning.losses import info_nce
from ucl.learning.training import ContrastiveModel, Optimisation, train
from ucl.runtime import prepare
from ucl.worlds.draws import streams

TITLE = "A step of stacked training: beside a plainer one and torch.compile"
CRITIC, EPOCHS, STEPS, REPEATS, SAME = "l2", 4, 10, 9, 1e-4
COMPILED = "torch.compile"

OnEpoch = Callable[[Tensor], None]  # takes the mean loss of every pair and seed [2, S]
Contender = Callable[[OnEpoch], None]


def run() -> Iterator[Line]:
    prepare(torch.get_num_threads())
    params = load_params("params.yaml").synthetic
    whole_run = params.epochs * -(-params.pairs // params.batch_size)
    draws = sample(params.model_copy(update={"pairs": STEPS * params.batch_size}))
    data = {"ab": (draws["ab.a"], draws["ab.b"]), "bc": (draws["bc.b"], draws["bc.c"])}
    start = build_model(params, CRITIC)
    recipe = Optimisation(EPOCHS, params.batch_size, params.learning_rate, params.decay_epoch, params.norm_penalty)
    fresh = lambda: streams(params.seeds, "shuffle")  # noqa: E731

    def ours(on_epoch: OnEpoch) -> None:
        means = lambda losses: torch.stack([losses["ab"], losses["bc"]])  # noqa: E731
        train(copy.deepcopy(start), data, recipe, fresh(), lambda epoch, model, losses: on_epoch(means(losses)))

    def peer(losses: nn.Module) -> Contender:
        return lambda on_epoch: by_autograd(losses, data, recipe, fresh(), on_epoch)

    contenders = {
        "ours": ours,
        "a stack for every modality, pairs scored one after another": peer(ThreeStacks(start)),
    }
    if has_compiler():
        compiled = TwoStacks(start)
        compiled.compile(dynamic=False)
        contenders[COMPILED] = peer(compiled)
    first = first_run_seconds(contenders)
    seconds = step_seconds(contenders)
    what = f"{params.seeds} seeds, batch {params.batch_size}, d = {params.dimension}, {CRITIC}"
    for name in list(contenders)[1:]:
        yield line(f"a step, {what}", name, seconds["ours"], seconds[name], "ms")
    if COMPILED not in contenders:
        yield Line(f"a step, {what}", f"{1e3 * seconds['ours']:.1f} ms", COMPILED, "no compiler", None, "", None)
        return
    compiling = first[COMPILED] - EPOCHS * STEPS * seconds[COMPILED]
    theirs = compiling + whole_run * seconds[COMPILED]
    name = f"{COMPILED}, {compiling:.0f} s of compiling included"
    yield line(f"the {whole_run:,} steps of a published run, {what}", name, whole_run * seconds["ours"], theirs, "s")


def line(what: str, peer: str, ours: float, theirs: float, unit: str) -> Line:
    """Seconds of ours beside a peer's."""
    shown = [f"{value * {'ms': 1e3, 's': 1.0}[unit]:.1f} {unit}" for value in (ours, theirs)]
    return Line(what, shown[0], peer, shown[1], theirs / ours, "", None)


class ThreeStacks(nn.Module):
    """The losses of both pairs, written as one would for a single model: an encoder for every modality."""

    def __init__(self, model: ContrastiveModel) -> None:
        super().__init__()
        model = copy.deepcopy(model).train()
        self.a, self.b, self.c = (model.encoders[m] for m in "abc")
        self.log_scale, self.critic = model.log_scale, CRITICS[model.critic_name]

    def forward(self, a: Tensor, b_of_a: Tensor, b_of_c: Tensor, c: Tensor) -> Tensor:
        scale = self.log_scale.exp()[:, None, None]
        ab = self.critic.similarity(self.a(a), self.b(b_of_a), scale)
        bc = self.critic.similarity(self.b(b_of_c), self.c(c), scale)
        return torch.stack([info_nce(ab), info_nce(bc)])


class TwoStacks(ThreeStacks):
    """The same, with the encoders of A and C as one stack and both pairs scored at once, as `train` does it."""

    def __init__(self, model: ContrastiveModel) -> None:
        super().__init__(model)
        self.outer = stack([self.a, self.c])
        del self.a, self.c

    def forward(self, a: Tensor, b_of_a: Tensor, b_of_c: Tensor, c: Tensor) -> Tensor:
        scale = self.log_scale.exp().repeat(2)[:, None, None]
        outer, inner = self.outer(torch.cat([a, c])), torch.cat([self.b(b_of_a), self.b(b_of_c)])
        return info_nce(self.critic.similarity(outer, inner, scale)).view(2, -1)


def by_autograd(
    losses: nn.Module,
    data: Mapping[str, tuple[Tensor, Tensor]],
    recipe: Optimisation,
    generators: Sequence[torch.Generator],
    on_epoch: OnEpoch,
) -> None:
    """`ucl.learning.training.train` with the library alone, from the weights that `losses` holds now."""
    optimiser = torch.optim.Adam(losses.parameters(), lr=recipe.learning_rate, fused=True)
    for _ in range(recipe.epochs):
        found, columns = [], []
        for x, y in data.values():
            orders = [torch.randperm(x.shape[1], generator=g) + s * x.shape[1] for s, g in enumerate(generators)]
            columns += [side.flatten(0, 1)[torch.stack(orders)] for side in (x, y)]
        for start in range(0, columns[0].shape[1], recipe.batch_size):
            found.append(losses(*(column[:, start : start + recipe.batch_size] for column in columns)))
            optimiser.zero_grad()
            found[-1].sum().backward()
            optimiser.step()
        on_epoch(torch.stack(found).detach().mean(0))


def first_run_seconds(contenders: Mapping[str, Contender]) -> dict[str, float]:
    """Seconds that each takes to start and train for the first time; all must lose the same in the first epoch."""
    seconds, losses = {}, []
    for name, contender in contenders.items():
        epochs: list[Tensor] = []
        begin = time.perf_counter()
        contender(epochs.append)
        seconds[name] = time.perf_counter() - begin
        losses.append(epochs[0])
        torch.testing.assert_close(losses[-1], losses[0], rtol=0, atol=SAME)
    return seconds


def step_seconds(contenders: Mapping[str, Contender]) -> dict[str, float]:
    """Median seconds a step of each, by turns; what comes before the end of the first epoch is not counted."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(REPEATS):
        for name, contender in contenders.items():
            ends: list[float] = []
            contender(lambda _, ends=ends: ends.append(time.perf_counter()))
            times[name] += [(after - before) / STEPS for before, after in pairwise(ends)]
    return {name: median(found) for name, found in times.items()}


def has_compiler() -> bool:
    """Whether torch.compile finds what it needs on a CPU."""
    return any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "g++", "clang++"))
