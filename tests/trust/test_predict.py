"""Predicted recall against counting by hand, and the draws behind it against the models' own probabilities."""

import itertools

import pytest
import torch
from torch import Tensor

from ucl.core.critics import Cosine
from ucl.peers.base import Peer
from ucl.runtime import generator
from ucl.trust.predict import Ends, Pairs, Simulated, hits, predict, simulate


class Products(Peer):
    """Scores that can be read off: the product of two numbers."""

    name = "products"

    def score(self, a: Tensor, c: Tensor) -> Tensor:
        return a @ c.T


@pytest.mark.parametrize("among", [2, 3, 5])
def test_hits_are_the_share_of_sets_of_candidates_in_which_the_right_one_wins(among: int) -> None:
    candidates = torch.tensor([[0.1], [0.4], [0.4], [0.7], [0.9], [1.5]])
    ends = Ends(torch.ones(3, 1), torch.tensor([[0.4], [0.9], [1.0]]), torch.tensor([1, 4, -1]))
    found = hits(Products(), ends, candidates, among)
    for i, (own, right) in enumerate(zip([1, 4, -1], [0.4, 0.9, 1.0], strict=True)):
        others = [float(c) for j, c in enumerate(candidates[:, 0]) if j != own]
        sets = list(itertools.combinations(others, among - 1))
        share = sum(all(x < right - 1e-6 for x in chosen) for chosen in sets) / len(sets)
        assert float(found[i]) == pytest.approx(share, abs=1e-6)


def test_pairs_are_drawn_as_the_models_say() -> None:
    a, c = torch.eye(3), torch.eye(4)
    held_out = torch.eye(3)[[0, 1] * 2000], torch.eye(4)[[2, 3] * 2000]
    pairs = Pairs(torch.eye(3)[[0] * 3000], torch.eye(3)[[0] * 3000], torch.eye(4)[[1] * 3000])
    drawn = simulate(Cosine(2.0), Cosine(3.0), a, c, held_out, pairs, None, generator(1))
    law_a, law_c = (2.0 * torch.eye(3)).softmax(1), (3.0 * torch.eye(4)).softmax(1)
    for b, (of_a, of_c) in enumerate(((0, 2), (1, 3))):
        assert torch.allclose(drawn.drawn.a[b::2].mean(0), law_a[of_a], atol=0.04)
        assert torch.allclose(drawn.drawn.c[b::2].mean(0), law_c[of_c], atol=0.04)
    assert drawn.one is not None
    assert drawn.other is None
    assert torch.equal(drawn.one.a, pairs.anchor)
    assert torch.allclose(drawn.one.c.mean(0), law_c[1], atol=0.04)
    assert not drawn.enough


def test_levels_add_up_on_the_logit_scale() -> None:
    candidates = torch.linspace(0, 1, 101)[:, None]
    none = torch.full((1000,), -1)
    one = lambda share: Ends(torch.ones(1000, 1), (torch.arange(1000) < 1000 * share).float()[:, None] * 2, none)  # noqa: E731
    found = predict(Products(), Simulated(one(0.4), one(0.5), one(0.6), True), candidates, 10)
    logit = lambda p: torch.logit(torch.tensor(p))  # noqa: E731
    assert found.parts == pytest.approx((0.4, 0.5, 0.6))
    assert found.recall == pytest.approx(float(torch.sigmoid(logit(0.5) + logit(0.6) - logit(0.4))), abs=2e-3)
    assert found.low < found.recall < found.high
    assert not found.bound
    assert predict(Products(), Simulated(one(0.4), None, None, True), candidates, 10).bound
