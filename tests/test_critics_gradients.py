"""Gradients of the critics, those written out by hand among them, against finite differences."""

import pytest
import torch

from ucl.critics import CRITICS
from ucl.runtime import generator


@pytest.mark.parametrize("name", sorted(CRITICS))
def test_gradients_match_finite_differences(name: str) -> None:
    x, y = (torch.randn(2, n, 3, generator=generator(n)).double().requires_grad_() for n in (4, 5))
    assert torch.autograd.gradcheck(CRITICS[name].similarity, (x, y))


def test_the_distance_to_itself_pulls_nowhere() -> None:
    x = torch.randn(3, 2, generator=generator(0)).requires_grad_()
    CRITICS["l2"].similarity(x, x.detach()).diagonal().sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.zeros(3, 2))


def test_the_distance_is_that_of_torch() -> None:
    x, y = (torch.randn(2, n, 6, generator=generator(n)).double() for n in (4, 5))
    assert torch.allclose(CRITICS["l2"].similarity(x, y), -torch.cdist(x, y))
