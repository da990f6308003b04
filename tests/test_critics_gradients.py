"""Gradients of the critics, those written out by hand among them, against finite differences."""

from itertools import product

import pytest
import torch

from ucl.critics import CRITICS
from ucl.runtime import generator


@pytest.mark.parametrize("name", sorted(CRITICS))
def test_gradients_match_finite_differences(name: str) -> None:
    x, y = (torch.randn(2, n, 3, generator=generator(n)).double().requires_grad_() for n in (4, 5))
    assert torch.autograd.gradcheck(CRITICS[name].similarity, (x, y))


def test_the_distance_to_itself_pulls_nowhere() -> None:
    """Rounding leaves |x - x|^2 at some 1e-7 |x|^2 on either side of zero: no direction may come of it."""
    for size, width in product((1e-3, 1.0, 300.0), (2, 64)):
        x = (size * torch.randn(50, width, generator=generator(0))).requires_grad_()
        pull = torch.rand(50, 50, generator=generator(1))
        (pull * CRITICS["l2"].similarity(x, x.detach())).sum().backward()
        apart = x.detach().double()[:, None] - x.detach().double()
        expected = -(pull[..., None] * torch.nn.functional.normalize(apart, dim=-1)).sum(1)
        assert x.grad is not None
        assert (x.grad - expected).norm(dim=1).max() < 2e-3, (size, width)


def test_a_scale_multiplies_the_similarity() -> None:
    x, y = (torch.randn(2, n, 3, generator=generator(n)).double() for n in (4, 5))
    scale = torch.tensor([0.5, 20.0]).double()[:, None, None]
    for critic in CRITICS.values():
        assert torch.allclose(critic.similarity(x, y, scale), scale * critic.similarity(x, y))


def test_the_distance_is_that_of_torch() -> None:
    x, y = (torch.randn(2, n, 6, generator=generator(n)).double() for n in (4, 5))
    assert torch.allclose(CRITICS["l2"].similarity(x, y), -torch.cdist(x, y))
