"""Train all seeds of one maze at once: InfoNCE on (state-action, future state) and on (state, words) together.

The two kinds of pairs come from two data sets that share nothing but the states' space: no action is ever paired with
words (section 6.3).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import trange

from ucl.learning.losses import info_nce
from ucl.maze.models import MazeModel, Tokenizer
from ucl.maze.walks import Trajectories
from ucl.runtime import generator

__all__ = ["Annotations", "Futures", "Recipe", "action_loss", "sample_bank", "train", "with_other_actions"]


@dataclass(frozen=True)
class Recipe:
    """How the agents of a maze are built and trained."""

    seeds: int
    critic: str
    dimension: int  # of the representations
    width: int  # of hidden layers; word vectors have a quarter of it
    batch: int  # pairs of each kind in a batch
    steps: int
    learning_rate: float  # the highest; it rises over a tenth of the steps
    discount: float  # a future state lies n steps ahead with probability (1 - discount) discount^(n - 1)
    action_negatives: int  # other actions at the same state that each action is told from


@dataclass(frozen=True, eq=False)
class Futures:
    """Transitions of all trajectories in a row, each with the row where its trajectory ends."""

    positions: Float[Tensor, "n 2"]
    angles: Float[Tensor, " n"]
    ends: Int[Tensor, " n"]
    moving: Int[Tensor, " m"]  # rows that have an action

    @classmethod
    def of(cls, walks: Trajectories) -> "Futures":
        """Flatten trajectories; a trajectory of T steps has T + 1 rows."""
        lengths = walks.lengths
        there = np.arange(walks.positions.shape[1]) <= lengths[:, None]
        angles = np.pad(walks.angles, ((0, 0), (0, 1)))
        ends = np.repeat(np.cumsum(lengths + 1) - 1, lengths + 1)
        rows = np.flatnonzero(np.arange(len(ends)) < ends)
        return cls(
            torch.from_numpy(walks.positions[there]).float(),
            torch.from_numpy(angles[there]).float(),
            torch.from_numpy(ends),
            torch.from_numpy(rows),
        )

    def sample(
        self, count: int, discount: float, random: torch.Generator
    ) -> tuple[Float[Tensor, "n 2"], Float[Tensor, " n"], Float[Tensor, "n 2"]]:
        """Positions, actions, and states n steps ahead with probability (1 - discount) discount^(n - 1).

        Where the trajectory ends earlier, the future state is its last.
        """
        rows = self.moving[torch.randint(len(self.moving), (count,), generator=random)]
        uniform = torch.rand(count, generator=random, dtype=torch.float64)
        ahead = 1 + (torch.log1p(-uniform) / math.log(discount)).floor().long()
        return self.positions[rows], self.angles[rows], self.positions[torch.minimum(rows + ahead, self.ends[rows])]


@dataclass(frozen=True, eq=False)
class Annotations:
    """States, each with one phrase that is true of it."""

    positions: Float[Tensor, "n 2"]
    phrases: Int[Tensor, " n"]  # rows of `ids`
    ids: Int[Tensor, "phrases length"]

    @classmethod
    def of(cls, positions: np.ndarray, texts: Sequence[str], tokenizer: Tokenizer) -> "Annotations":
        """From positions [n, 2] and the n texts that were said about them."""
        known = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        rows = torch.tensor([known[text] for text in texts])
        return cls(torch.from_numpy(positions).float(), rows, tokenizer(list(known)))

    def sample(self, count: int, random: torch.Generator) -> tuple[Float[Tensor, "n 2"], Int[Tensor, "n length"]]:
        """States and their words."""
        rows = torch.randint(len(self.positions), (count,), generator=random)
        return self.positions[rows], self.ids[self.phrases[rows]]


def sample_bank(futures: Futures, size: int, discount: float) -> Float[Tensor, "size 2"]:
    """States distributed as future states are in the data: draws of p(b)."""
    return futures.sample(size, discount, generator(0, 5))[2]


def train(
    futures: Futures,
    annotations: Annotations,
    words: int,
    recipe: Recipe,
    seed: int = 0,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> tuple[MazeModel, pd.DataFrame]:
    """Train `recipe.seeds` models; returns them and the learning curves (seed, step, losses in nats, scales)."""
    seeds = range(seed, seed + recipe.seeds)
    model = MazeModel([generator(s, 1) for s in seeds], words, recipe.critic, recipe.width, recipe.dimension)
    model.to(device)
    randoms = [generator(s, 2) for s in seeds]
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.1
    )
    every, curves, running = max(1, recipe.steps // 50), [], torch.zeros(3, recipe.seeds, device=device)
    for step in trange(1, recipe.steps + 1, desc="train", unit="step", disable=not progress):
        losses = _losses(model, futures, annotations, recipe, randoms)
        optimiser.zero_grad()
        losses.sum().backward()
        optimiser.step()
        schedule.step()
        running += losses.detach()
        if step % every == 0:
            curves.append(_curve(seeds, step, running / every, model.log_scale))
            running.zero_()
    return model.cpu(), pd.concat(curves, ignore_index=True)


def _losses(
    model: MazeModel,
    futures: Futures,
    annotations: Annotations,
    recipe: Recipe,
    randoms: Sequence[torch.Generator],
) -> Float[Tensor, "3 s"]:
    """Losses of one batch per seed: future states, words, and the action among others at the same state."""
    walks = [futures.sample(recipe.batch, recipe.discount, g) for g in randoms]
    said = [annotations.sample(recipe.batch, g) for g in randoms]
    states, actions, ahead = (torch.stack(parts) for parts in zip(*walks, strict=True))
    places, ids = (torch.stack(parts) for parts in zip(*said, strict=True))
    angles = with_other_actions(actions, recipe.action_negatives, randoms)
    states, angles, ahead, places, ids = (x.to(model.log_scale.device) for x in (states, angles, ahead, places, ids))
    taken = model.encode_actions(states, angles)
    reached, spoken_of = model.encode_state(torch.cat([ahead, places], dim=1)).split(recipe.batch, dim=1)
    future = info_nce(model.critic_future(taken[:, :, 0], reached))
    words = info_nce(model.critic_words(spoken_of, model.encode_words(ids)))
    if not recipe.action_negatives:
        return torch.stack([future, words, torch.zeros_like(future)])
    return torch.stack([future, words, action_loss(model, taken, reached)])


def action_loss(
    model: MazeModel, taken: Float[Tensor, "s n k d"], reached: Float[Tensor, "s n d"]
) -> Float[Tensor, " s"]:
    """Cross-entropy of the action that led to a future state, the first of `k`, against the others at its state."""
    each = model.critic_type(model.log_scale[:, 0, None].exp().expand(-1, reached.shape[1]))
    logits = each(reached[:, :, None], taken)[:, :, 0]
    return -torch.log_softmax(logits, dim=-1)[..., 0].mean(-1)


def with_other_actions(
    actions: Float[Tensor, "s n"], count: int, randoms: Sequence[torch.Generator]
) -> Float[Tensor, "s n k"]:
    """Every action, and behind it `count` drawn evenly from all directions: negatives among actions."""
    shape = actions.shape[1:]
    others = [torch.stack([2 * math.pi * torch.rand(shape, generator=g) for g in randoms]) for _ in range(count)]
    return torch.stack([actions, *others], dim=-1)


def _curve(seeds: range, step: int, losses: Float[Tensor, "3 s"], log_scale: Float[Tensor, "s 2"]) -> pd.DataFrame:
    scales = log_scale.detach().exp()
    return pd.DataFrame(
        {
            "seed": list(seeds),
            "step": step,
            "loss_future": losses[0].tolist(),
            "loss_words": losses[1].tolist(),
            "loss_action": losses[2].tolist(),
            "scale_future": scales[:, 0].tolist(),
            "scale_words": scales[:, 1].tolist(),
        }
    )
