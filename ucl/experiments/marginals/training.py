"""Training of `marginals`: models whose representations of held-out points are kept."""

import torch
from torch import Tensor

from ucl.experiments.gaussian import recipe_of, world_of
from ucl.experiments.marginals.config import Marginals
from ucl.learning.model_pairs import train_model_pair
from ucl.worlds.draws import streams

__all__ = ["learn"]

MODALITIES = ("a", "b", "c")


def learn(params: Marginals, critic: str, dimension: int, progress: bool = True) -> dict[str, Tensor]:
    """Train a model with a shared encoder of B and represent held-out points.

    Returns `a`, `b`, `c` [S, n, d] (row i belongs to row i), `bank` [S, m, d] and `scale` [S].
    """
    params = params.model_copy(update={"dimension": dimension})
    world = world_of(params)
    draws = {draw: world.sample(params.pairs, streams(params.seeds, draw)) for draw in ("ab", "bc")}
    points = world.sample(params.validation, streams(params.seeds, "validation"))
    bank = world.sample(params.bank, streams(params.seeds, "bank")).b
    model = train_model_pair(
        recipe_of(params), critic, draws, progress=f"train {critic}, d = {dimension}" if progress else None
    ).ab
    with torch.no_grad():
        tensors = {m: model.encode(m, getattr(points, m)) for m in MODALITIES} | {"bank": model.encode("b", bank)}
    return tensors | {"scale": torch.as_tensor(model.critic.scale)}
