"""Training of the models of stamps: a file to read from top to bottom.

Pairs are drawn a group at a time, so that no stamp of the same thing is a wrong answer in its batch. Validation groups
say when to stop (by InfoNCE, which also holds the learned scale to what it is worth on things never seen).
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize
from tqdm import tqdm

from ucl.learning.losses import info_nce
from ucl.stamps.towers import Described, FrameTower, TwoTowers, pad_rows

__all__ = ["Recipe", "Side", "embed", "train"]

CHECKS = 25  # looks at the validation groups on the way
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


def train(
    model: TwoTowers,
    sides: tuple[Side, Side],
    learn: Mapping[str, Sequence[str]],
    judge: Sequence[str],
    recipe: Recipe,
    generator: torch.Generator,
    *,
    names: Float[Tensor, "classes e"] | None = None,
    progress: str | None = None,
) -> TwoTowers:
    """Train on stamps by group (`learn`), keep what has the least InfoNCE on the stamps of `judge`.

    `names` are the sentence embeddings of the class names of a `Described` tower: each class with its name is a pseudo
    pair. Deterministic per generator. `progress` labels a bar (None: no bar).
    """
    torch.manual_seed(generator.initial_seed())  # of dropout
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.1, cycle_momentum=False
    )
    best, kept, every = float("inf"), model.state_dict(), max(1, recipe.steps // CHECKS)
    with tqdm(total=recipe.steps, desc=progress, disable=progress is None, unit="step") as bar:
        for step in range(1, recipe.steps + 1):
            model.train()
            loss = _loss(model, sides, _draw(learn, recipe.batch, generator), generator)
            if names is not None:
                loss = loss + recipe.pseudo * _pseudo_loss(model, names, recipe.batch, generator)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            bar.update()
            if step % every == 0 or step == recipe.steps:
                judged = _judge(model, sides, judge)
                bar.set_postfix(train=f"{loss.item():.2f}", held_out=f"{judged:.2f}")
                if judged < best:
                    best, kept = judged, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return model.eval()


def _draw(learn: Mapping[str, Sequence[str]], batch: int, generator: torch.Generator) -> list[str]:
    """One stamp of each of `batch` groups."""
    groups = list(learn)
    chosen = torch.randperm(len(groups), generator=generator)[:batch].tolist()
    places = torch.rand(len(chosen), generator=generator).tolist()
    return [learn[groups[i]][int(place * len(learn[groups[i]]))] for i, place in zip(chosen, places, strict=True)]


def _loss(model: TwoTowers, sides: tuple[Side, Side], names: Sequence[str], generator: torch.Generator) -> Tensor:
    encoded = []
    for tower, side in zip((model.x, model.y), sides, strict=True):
        rows = side.batch(names)
        if isinstance(tower, FrameTower):
            rows = (_disturb(rows[0], rows[1], generator), rows[1])
        encoded.append(normalize(tower(*rows), dim=-1))
    return info_nce(model.scale * encoded[0] @ encoded[1].mT)


def _pseudo_loss(model: TwoTowers, names: Tensor, batch: int, generator: torch.Generator) -> Tensor:
    assert isinstance(model.x, Described)
    chosen = torch.randperm(len(names), generator=generator)[:batch]
    x, y = normalize(model.x.classes()[chosen], dim=-1), normalize(model.y(names[chosen]), dim=-1)
    return info_nce(model.scale * x @ y.mT)


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


def _judge(model: TwoTowers, sides: tuple[Side, Side], names: Sequence[str]) -> float:
    x, y = (embed(tower, side, names) for tower, side in zip((model.x, model.y), sides, strict=True))
    return float(info_nce(model.scale.detach() * x @ y.mT))


@torch.no_grad()
def embed(tower: nn.Module, side: Side, names: Sequence[str]) -> Float[Tensor, "n d"]:
    """Unit rows of some stamps, without noise and dropout."""
    tower.eval()
    rows = [tower(*side.batch(names[start : start + 256])) for start in range(0, len(names), 256)]
    return normalize(torch.cat(rows), dim=-1)
