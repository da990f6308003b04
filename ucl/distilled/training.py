"""InfoNCE on simulated pairs, all seeds as one stack: a file to read from top to bottom."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from tqdm import tqdm

from ucl.distilled.draws import Pairs
from ucl.distilled.judging import mark_towers
from ucl.distilled.towers import Towers
from ucl.errors import InputError
from ucl.learning.losses import info_nce

__all__ = ["Settings", "retrain", "train"]


@dataclass(frozen=True)
class Settings:
    """How a student is trained."""

    steps: int = 2000
    batch: int = 128
    learning_rate: float = 3e-3
    checks: int = 20  # looks at the held-out pairs on the way

    def __post_init__(self) -> None:
        least = {"steps": 1, "batch": 2, "checks": 1}
        for name, lowest in least.items():
            if getattr(self, name) < lowest:
                raise InputError(f"{name} must be at least {lowest}: got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate must be positive and finite: got {self.learning_rate}")


def train(
    towers: Towers, pairs: Pairs, judged: Pairs, settings: Settings, progress: str | None = None
) -> Int64[Tensor, " s"]:
    """Train on `pairs`, keep for every seed what has the least loss on `judged`, whatever its scale; returns its step.

    Not what finds most of them: with few samples kept apart that is chance (`ucl.distilled.judging.Marks`).
    `progress` labels a bar that shows the mean held-out loss (None: no bar). Raises InputError where the pairs are less
    than a batch.
    """
    fewest = min(pairs.index_a.shape[1], judged.index_a.shape[1])
    if fewest < settings.batch:
        raise InputError(f"simulated pairs must hold at least a batch of {settings.batch}: got {fewest}; draw more")
    kept = {name: tensor.clone() for name, tensor in towers.state_dict().items()}
    best = torch.full((towers.models,), torch.inf, device=pairs.a.device)
    best_step = torch.zeros(towers.models, dtype=torch.int64, device=pairs.a.device)
    every = max(1, settings.steps // settings.checks)
    with tqdm(total=settings.steps, desc=progress, disable=progress is None, unit="step") as bar:
        for step in _steps(towers, pairs, settings):
            bar.update()
            if step % every and step < settings.steps:
                continue
            marks = [each.judged for each in mark_towers(towers, judged)]
            found = torch.tensor([each.loss for each in marks], device=best.device)
            better = found <= best
            best, best_step = torch.where(better, found, best), torch.where(better, step, best_step)
            _keep(towers, kept, better)
            bar.set_postfix(held_out=f"{sum(each.loss for each in marks) / len(marks):.3f}")
    if not bool(best.isfinite().all()):
        raise InputError(
            "training left the range of float32: its loss was never a number; look for samples far from all others "
            "(ucl check: far_rows), or take a smaller learning_rate"
        )
    towers.load_state_dict(kept)
    return best_step


def retrain(towers: Towers, pairs: Pairs, until: Int64[Tensor, " s"], settings: Settings) -> None:
    """The same course on other pairs, every seed's up to the step that `train` found for it."""
    kept = {name: tensor.clone() for name, tensor in towers.state_dict().items()}
    for step in _steps(towers, pairs, settings):
        if bool((until == step).any()):
            _keep(towers, kept, until == step)
        if step >= int(until.max()):
            break
    towers.load_state_dict(kept)


def _steps(towers: Towers, pairs: Pairs, settings: Settings) -> Iterator[int]:
    """Steps of AdamW with cosine decay to zero; batches are the pairs in their order, over and over."""
    towers.standardise(pairs.a, pairs.c)
    a, c = (towers.standard(side, getattr(pairs, side)) for side in ("a", "c"))
    adam = torch.optim.AdamW(towers.parameters(), lr=settings.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, settings.steps)
    batches = pairs.index_a.shape[1] // settings.batch
    for step in range(1, settings.steps + 1):
        start = (step - 1) % batches * settings.batch
        part = slice(start, start + settings.batch)
        with _flushing_denormals():
            loss = _loss(towers, _rows(a, pairs.index_a[:, part]), _rows(c, pairs.index_c[:, part]))
            adam.zero_grad()
            loss.sum().backward()  # models share no parameter: the gradient of the sum trains each alone
            adam.step()
        schedule.step()
        yield step


def _loss(towers: Towers, a: Float[Tensor, "s n d1"], c: Float[Tensor, "s n d2"]) -> Float[Tensor, " s"]:
    x, y = towers(a, c).chunk(2)
    return info_nce((towers.log_scale.exp()[:, None, None] * x) @ y.mT)


def _rows(x: Float[Tensor, "s n d"], index: Tensor) -> Float[Tensor, "s p d"]:
    """Rows of every seed by its own numbers."""
    models, n, width = x.shape
    start = torch.arange(models, device=x.device)[:, None] * n
    return x.reshape(-1, width).index_select(0, (index + start).flatten()).view(models, -1, width)


def _keep(towers: Towers, kept: dict[str, Tensor], better: Tensor) -> None:
    """Copy the parameters of the seeds that are better now."""
    for name, tensor in towers.state_dict().items():
        own = better.repeat(len(tensor) // len(better))
        kept[name][own] = tensor[own]


@contextmanager
def _flushing_denormals() -> Iterator[None]:
    """Denormal floats count as zero in this thread: training drifts into them, and steps take ten times as long."""
    before = float(torch.tensor(1e-38) * 1e-3) == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
