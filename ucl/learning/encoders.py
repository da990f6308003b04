"""Encoders for many seeds at once: one stacked model instead of a loop over models (design: section 6).

Every layer holds the parameters of S independent models along its first axis, and maps [S, n, d] to [S, n, d'].
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["StackedBatchNorm", "StackedLinear", "share", "stack", "synthetic_encoder", "wide_encoder"]


class StackedLinear(nn.Module):
    """S linear maps, initialised as `torch.nn.Linear` is, from one generator per model."""

    def __init__(self, generators: Sequence[torch.Generator], inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        draws = [torch.empty(inputs + 1, outputs).uniform_(-bound, bound, generator=g) for g in generators]
        stacked = torch.stack(draws)
        self.weight = nn.Parameter(stacked[:, :inputs].contiguous())
        self.bias = nn.Parameter(stacked[:, inputs:].contiguous())

    def forward(self, x: Float[Tensor, "s n d_in"]) -> Float[Tensor, "s n d_out"]:
        return torch.baddbmm(self.bias, x, self.weight)


class StackedBatchNorm(nn.Module):
    """S batch normalisations with their own statistics, as `torch.nn.BatchNorm1d` keeps them."""

    def __init__(self, models: int, width: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(models, 1, width))
        self.bias = nn.Parameter(torch.zeros(models, 1, width))
        self.mean: Tensor
        self.var: Tensor
        self.register_buffer("mean", torch.zeros(models, 1, width))
        self.register_buffer("var", torch.ones(models, 1, width))

    def forward(self, x: Float[Tensor, "s n d"]) -> Float[Tensor, "s n d"]:
        models, n, width = x.shape
        channels = x.transpose(0, 1).reshape(n, models * width)  # every model's features are channels of one layer
        normalised = nn.functional.batch_norm(
            channels,
            self.mean.view(-1),
            self.var.view(-1),
            self.weight.view(-1),
            self.bias.view(-1),
            self.training,
            self.momentum,
            self.eps,
        )
        return normalised.view(n, models, width).transpose(0, 1)


def synthetic_encoder(generators: Sequence[torch.Generator], inputs: int, outputs: int) -> nn.Sequential:
    """The published encoder: Linear, BatchNorm, ReLU, Linear to half the width, ReLU, Linear (design: section 4)."""
    return nn.Sequential(
        StackedLinear(generators, inputs, inputs),
        StackedBatchNorm(len(generators), inputs),
        nn.ReLU(),
        StackedLinear(generators, inputs, inputs // 2),
        nn.ReLU(),
        StackedLinear(generators, inputs // 2, outputs),
    )


def stack(encoders: Sequence[nn.Module]) -> nn.Module:
    """One encoder that holds the models of several of one shape, one after the other."""
    whole = copy.deepcopy(encoders[0])
    for own, *parts in _tensors(whole, *encoders):
        own.data = torch.cat([part.data for part in parts])
    return whole


def share(whole: nn.Module, encoders: Sequence[nn.Module]) -> None:
    """Make the tensors of the encoders that `stack` was given views of its own: who trains it trains them."""
    for own, *parts in _tensors(whole, *encoders):
        for part, models in zip(parts, own.data.chunk(len(parts)), strict=True):
            part.data = models


def _tensors(*encoders: nn.Module) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(chain(encoder.parameters(), encoder.buffers()) for encoder in encoders), strict=True)


def wide_encoder(width: int) -> Callable[[Sequence[torch.Generator], int, int], nn.Module]:
    """A plain network with two hidden layers: for worlds whose views are not linear."""

    def build(generators: Sequence[torch.Generator], inputs: int, outputs: int) -> nn.Module:
        layers = [StackedLinear(generators, i, o) for i, o in ((inputs, width), (width, width), (width, outputs))]
        return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])

    return build
