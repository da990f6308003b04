"""Gradients of the critics, those written out by hand among them, against finite differences."""

import weakref
from itertools import product

import pytest
import torch

from ucl.core.critics import CRITICS
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


@pytest.mark.parametrize("name", sorted(CRITICS))
def test_scores_do_not_outlive_their_use(name: str) -> None:
    """Nor wait for the garbage collector, which does not know how large they are."""
    x, y = (torch.randn(n, 3, generator=generator(n)).requires_grad_() for n in (4, 5))
    scores = CRITICS[name].similarity(x, y)
    scores.sum().backward()
    left = weakref.ref(scores)
    del scores
    assert left() is None


def test_scores_changed_in_place_have_no_wrong_gradient() -> None:
    x, y = (torch.randn(n, 3, generator=generator(n)).requires_grad_() for n in (4, 5))
    scores = CRITICS["l2"].similarity(x, y)
    with torch.no_grad():
        scores.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        scores.sum().backward()


@pytest.mark.parametrize("name", sorted(CRITICS))
def test_nothing_scores_nothing(name: str) -> None:
    assert CRITICS[name](1.0)(torch.ones(0, 3), torch.ones(4, 3)).shape == (0, 4)
    assert CRITICS[name](1.0)(torch.ones(2, 3), torch.ones(0, 3)).shape == (2, 0)


@pytest.mark.parametrize("name", sorted(CRITICS))
def test_the_scale_has_its_gradient(name: str) -> None:
    x, y = (torch.randn(2, n, 3, generator=generator(n)).double() for n in (4, 5))
    for shape in ((), (2, 1, 1)):
        scale = torch.full(shape, 1.7, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda s: CRITICS[name].similarity(x, y, s), (scale,))
