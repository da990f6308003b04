"""Training of the models of stamps: a file to read from top to bottom.

Pairs are drawn a group at a time, so that no stamp of the same thing is a wrong answer in its batch. Validation groups
say when to stop (by InfoNCE, which also holds the learned scale to what it is worth on things never seen).
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize
from tqdm import tqdm

from ucl.learning.losses import info_nce
from ucl.stamps.towers import Classes, FrameTower, TwoTowers, pad_rows

__all__ = ["Recipe", "Side", "embed", "judge_pairs", "judge_pseudo", "pair_loss", "pseudo_loss", "train"]

CHECKS = 25  # looks at what is held out on the way; training ends when ...
PATIENCE = 6  # ... so many in a row found nothing better
Views = Mapping[str, Tensor]  # stamp -> its features [d], its frames [t, d] or its letters [t]


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: AdamW, one cycle of the learning rate."""

    width: int
    hidden: int
    steps: int
    batch: int
    learning_rate: float
    weight_decay: float
    pseudo: float  # weight of the loss on pairs of a class and its name


@dataclass(frozen=True)
class Side:
    """One side of the pairs, by stamp; rows are of one length, or sequences."""

    views: Views
    sequences: bool

    def batch(self, names: Sequence[str]) -> tuple[Tensor, ...]:
        rows = [self.views[name] for name in names]
        return pad_rows(rows) if self.sequences else (torch.stack(rows),)


Loss = Callable[[torch.Generator], Tensor]


def train(
    model: TwoTowers,
    loss: Loss,
    judge: Callable[[], float],
    recipe: Recipe,
    generator: torch.Generator,
    *,
    progress: str | None = None,
) -> TwoTowers:
    """Train by `loss`, which draws its own batch, and keep what `judge` finds least.

    Deterministic per generator. `progress` labels a bar (None: no bar).
    """
    torch.manual_seed(generator.initial_seed())  # of dropout
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.1, cycle_momentum=False
    )
    best, kept, waited, every = float("inf"), model.state_dict(), 0, max(1, recipe.steps // CHECKS)
    with tqdm(total=recipe.steps, desc=progress, disable=progress is None, unit="step") as bar:
        for step in range(1, recipe.steps + 1):
            value = loss(generator)
            optimiser.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            bar.update()
            if step % every == 0 or step == recipe.steps:
                judged = judge()
                bar.set_postfix(train=f"{value.item():.2f}", held_out=f"{judged:.2f}")
                waited += 1
                if judged < best:
                    best, kept, waited = judged, copy.deepcopy(model.state_dict()), 0
                if waited == PATIENCE:
                    break
    model.load_state_dict(kept)
    return model.eval()


# --- pairs of stamps ----------------------------------------------------------------------------------------------


def pair_loss(model: TwoTowers, sides: tuple[Side, Side], learn: Mapping[str, Sequence[str]], batch: int) -> Loss:
    """InfoNCE over one stamp of each of `batch` groups."""

    def loss(generator: torch.Generator) -> Tensor:
        model.train()
        names, encoded = _draw(learn, batch, generator), []
        for tower, side in zip((model.x, model.y), sides, strict=True):
            rows = side.batch(names)
            if isinstance(tower, FrameTower):
                rows = (_disturb(rows[0], rows[1], generator), rows[1])
            encoded.append(normalize(tower(*rows), dim=-1))
        return info_nce(model.scale * encoded[0] @ encoded[1].mT)

    return loss


def judge_pairs(model: TwoTowers, sides: tuple[Side, Side], names: Sequence[str]) -> Callable[[], float]:
    """InfoNCE over these stamps, without noise and dropout."""

    def judge() -> float:
        x, y = (embed(tower, side, names) for tower, side in zip((model.x, model.y), sides, strict=True))
        return float(info_nce(model.scale.detach() * x @ y.mT))

    return judge


def _draw(learn: Mapping[str, Sequence[str]], batch: int, generator: torch.Generator) -> list[str]:
    """One stamp of each of `batch` groups."""
    groups = list(learn)
    chosen = torch.randperm(len(groups), generator=generator)[:batch].tolist()
    places = torch.rand(len(chosen), generator=generator).tolist()
    return [learn[groups[i]][int(place * len(learn[groups[i]]))] for i, place in zip(chosen, places, strict=True)]


def _disturb(rows: Float[Tensor, "n t d"], lengths: Tensor, generator: torch.Generator) -> Float[Tensor, "n t d"]:
    """Speech said a little otherwise: noise, a louder or softer channel, some frames and some channels missing."""
    n, t, d = rows.shape
    spread = rows.std()
    rows = rows + 0.2 * spread * torch.randn(n, t, d, generator=generator)
    rows = rows * (1 + 0.2 * torch.randn(n, 1, d, generator=generator))
    start = torch.rand(n, 1, generator=generator) * lengths[:, None]
    place = torch.arange(t)
    hidden = (place >= start) & (place < start + 4 * torch.rand(n, 1, generator=generator))
    missing = torch.rand(n, 1, d, generator=generator) < 0.1
    over = place >= lengths[:, None]
    return rows.masked_fill((hidden | over)[..., None] | missing, 0.0)


@torch.no_grad()
def embed(tower: nn.Module, side: Side, names: Sequence[str]) -> Float[Tensor, "n d"]:
    """Unit rows of some stamps, without noise and dropout."""
    tower.eval()
    rows = [tower(*side.batch(names[start : start + 256])) for start in range(0, len(names), 256)]
    return normalize(torch.cat(rows), dim=-1)


# --- pseudo pairs: a class of the frozen network, and its name ------------------------------------------------------


def pseudo_loss(model: TwoTowers, classes: Classes, batch: int, learn: Tensor | None = None) -> Loss:
    """InfoNCE over `batch` classes of the network behind a `Described` tower (of those of `learn`) and their names."""
    known = torch.arange(len(classes.names)) if learn is None else learn
    pseudo = classes.pseudo()

    def loss(generator: torch.Generator) -> Tensor:
        model.train()
        chosen = known[torch.randperm(len(known), generator=generator)[:batch]]
        return _pair_up(model, pseudo[chosen], classes.names[chosen])

    return loss


def judge_pseudo(model: TwoTowers, classes: Classes, held_out: Tensor) -> Callable[[], float]:
    """The same over classes kept apart."""
    pseudo = classes.pseudo()

    @torch.no_grad()
    def judge() -> float:
        model.eval()
        return float(_pair_up(model, pseudo[held_out], classes.names[held_out]))

    return judge


def _pair_up(model: TwoTowers, x: Tensor, y: Tensor) -> Tensor:
    return info_nce(model.scale * normalize(model.x(x), dim=-1) @ normalize(model.y(y), dim=-1).mT)
