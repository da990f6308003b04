"""Gradients written out against autograd's, and against finite differences."""

import copy

import pytest
import torch
from torch import Tensor, nn

from ucl.learning.backward import vjp
from ucl.learning.encoders import StackedBatchNorm, StackedLinear, synthetic_encoder, wide_encoder
from ucl.runtime import generator

MODELS, ROWS, WIDTH, DIMENSION = 3, 7, 6, 4


def streams() -> list[torch.Generator]:
    return [generator(s, 5) for s in range(MODELS)]


def foreign() -> nn.Sequential:
    """With a layer that has no gradient of its own here, and one inside another."""
    inner = nn.Sequential(nn.Tanh(), StackedLinear(streams(), WIDTH, DIMENSION))
    return nn.Sequential(StackedLinear(streams(), WIDTH, WIDTH), nn.LayerNorm(WIDTH), inner)


NETWORKS = {
    "synthetic": lambda: synthetic_encoder(streams(), WIDTH, DIMENSION),
    "wide": lambda: wide_encoder(5)(streams(), WIDTH, DIMENSION),
    "foreign": foreign,
}


def draw(key: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator(key)).double()


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_those_of_autograd(name: str, train: bool) -> None:
    ours = NETWORKS[name]().double().train(train)
    theirs = copy.deepcopy(ours)
    x, gradient = draw(1, MODELS, ROWS, WIDTH).requires_grad_(), draw(2, MODELS, ROWS, DIMENSION)
    expected = theirs(x)
    wanted = torch.autograd.grad(expected, [x, *theirs.parameters()], gradient)
    with torch.no_grad():
        y, pull = vjp(ours)(x.detach())
        own, onward = pull(gradient)
    assert torch.equal(y, expected)
    assert torch.allclose(onward(), wanted[0], rtol=1e-12, atol=1e-12)
    for mine, other, parameter in zip(own, wanted[1:], ours.parameters(), strict=True):
        assert mine.shape == parameter.shape
        assert torch.allclose(mine, other, rtol=1e-12, atol=1e-12)
    for mine, other in zip(ours.buffers(), theirs.buffers(), strict=True):
        assert torch.equal(mine, other)


@torch.no_grad()
def test_batch_norm_matches_finite_differences() -> None:
    layer = StackedBatchNorm(MODELS, WIDTH).double()
    x, gradient, direction = (draw(key, MODELS, ROWS, WIDTH) for key in (3, 4, 5))
    value = lambda step: float((vjp(layer)(x + step * direction)[0] * gradient).sum())  # noqa: E731
    slope = (value(1e-6) - value(-1e-6)) / 2e-6
    _, onward = vjp(layer)(x)[1](gradient)
    assert float((onward() * direction).sum()) == pytest.approx(slope, rel=1e-6)
