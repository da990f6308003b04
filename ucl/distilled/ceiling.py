"""The student's networks on true pairs of the two models' embeddings: what the embeddings hold, and no bridge knows."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.distilled.draws import Pairs
from ucl.distilled.limits import KEPT
from ucl.distilled.towers import Towers
from ucl.distilled.training import Settings, train
from ucl.runtime import generator

__all__ = ["train_on_pairs"]


def train_on_pairs(
    a: Float[Tensor, "s n d1"],
    c: Float[Tensor, "s n d2"],
    seeds: Sequence[int],
    settings: Settings,
    *,
    hidden: int = 128,
    width: int = 64,
) -> Towers:
    """Train on pairs (a[s, i], c[s, i]), all seeds as one stack; a share kept apart says when to stop."""
    n = a.shape[1]
    kept = max(settings.batch, int(KEPT * n))
    orders, draws = [], []
    for seed in seeds:
        random = generator(seed, 31)
        orders.append(torch.randperm(n, generator=random))
        draws.append(torch.randint(n - kept, (settings.steps * settings.batch,), generator=random))
    order, drawn = torch.stack(orders).to(a.device), torch.stack(draws).to(a.device)
    training = order.gather(1, drawn + kept)
    towers = Towers([generator(seed, 32) for seed in seeds], (a.shape[2], c.shape[2]), hidden, width).to(a)
    train(towers, Pairs(a, c, training, training), Pairs(a, c, order[:, :kept], order[:, :kept]), settings)
    return towers
