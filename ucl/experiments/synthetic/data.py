"""Data of `synthetic`: the worlds and all draws, as named tensors."""

from collections.abc import Mapping
from dataclasses import fields

import torch
from torch import Tensor

from ucl.experiments.gaussian import sample_draws, world_of
from ucl.experiments.settings import GaussianData
from ucl.worlds.gaussian import GaussianWorld

__all__ = ["Tensors", "read_world", "sample"]

Tensors = Mapping[str, Tensor]
UNUSED = {"bc.a", "ac.b", "validation.b", "bank.a", "bank.c"}


def sample(params: GaussianData) -> dict[str, Tensor]:
    """The worlds and all draws: three training sets, the validation points, and a bank apart from them.

    Keys are `<draw>.<modality>` with tensors [seeds, n, d], and `world.<parameter>`.
    """
    world = world_of(params)
    tensors = {f"world.{f.name}": torch.as_tensor(getattr(world, f.name)) for f in fields(world)}
    for draw, triples in sample_draws(params, world).items():
        tensors |= {f"{draw}.{modality}": getattr(triples, modality) for modality in "abc"}
    return {key: tensor for key, tensor in tensors.items() if key not in UNUSED}


def read_world(data: Tensors) -> GaussianWorld:
    """The worlds that `sample` stored."""
    mean, factor, to_a, to_c, noise, shared_noise = (data[f"world.{f.name}"].cpu() for f in fields(GaussianWorld))
    return GaussianWorld(mean, factor, to_a, to_c, float(noise), float(shared_noise))
