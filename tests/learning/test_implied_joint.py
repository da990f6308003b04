"""Draws from the implied joint against its probabilities, worked out one by one."""

import itertools
import math

import pytest
import torch

from ucl import Bank, Bridge, Cosine, Dot, InputError
from ucl.learning import implied_joint
from ucl.learning.implied_joint import ImpliedJoint
from ucl.runtime import generator

AB = torch.tensor([[0.0, 1.0, -2.0], [2.0, 0.5, -1.0]])  # 2 samples of A, 3 of the bank
CB = torch.tensor([[1.0, -1.0, 0.0], [0.0, 2.0, 0.5], [-1.0, 0.0, 1.5], [0.3, 0.2, -40.0]])
WEIGHTS = torch.tensor([1.0, 3.0, 0.5])


def brute_force(weights):
    """p(j, i, k) by plain Python: the definition, one entry at a time."""
    found = torch.zeros(2, 3, 4, dtype=torch.float64)
    for j, i, k in itertools.product(range(2), range(3), range(4)):
        p_b = weights[i] / sum(weights)
        p_a = math.exp(AB[j, i]) / sum(math.exp(AB[x, i]) for x in range(2))
        p_c = math.exp(CB[k, i]) / sum(math.exp(CB[x, i]) for x in range(4))
        found[j, i, k] = p_b * p_a * p_c
    return found


def frequencies(a, b, c):
    cells = torch.bincount((a * 3 + b) * 4 + c, minlength=24).view(2, 3, 4)
    return cells.double() / len(a)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_frequencies_are_the_probabilities(weights, monkeypatch) -> None:
    monkeypatch.setattr(implied_joint, "BLOCK", 5)  # blocks of one or two bank samples
    count = 200_000
    joint = ImpliedJoint(AB, CB, None if weights is None else weights.log())
    a, b, c = joint.draw(count, generator(0))
    expected = brute_force([1.0] * 3 if weights is None else weights.tolist())
    error = (expected * (1 - expected) / count).sqrt()
    assert (frequencies(a, b, c) - expected).abs().le(4.5 * error + 1e-9).all()
    assert expected[:, 2, 3].max() < 1e-15
    assert not ((b == 2) & (c == 3)).any()


def test_draws_given_bank_samples_follow_their_softmax() -> None:
    joint = ImpliedJoint(AB, CB)
    given = torch.tensor([2, 0]).repeat(100_000)
    a, c = joint.draw_a(given, generator(1)), joint.draw_c(given, generator(2))
    for i in (0, 2):
        for drawn, scores in ((a, AB), (c, CB)):
            share = torch.bincount(drawn[given == i], minlength=len(scores)) / 100_000
            torch.testing.assert_close(share, torch.softmax(scores[:, i], 0), atol=0.008, rtol=0)


def test_embeddings_scores_and_a_bridge_give_the_same_draws() -> None:
    random = generator(3)
    a, c, b1, b2 = (torch.randn(n, d, generator=random) for n, d in ((40, 5), (30, 3), (60, 5), (60, 3)))
    weights = torch.rand(60, generator=random) + 0.1
    ab, bc = Cosine(4.0), Dot(1.5)
    joints = [
        ImpliedJoint(ab(a, b1), bc(c, b2), weights.log()),
        ImpliedJoint.of(ab, bc, a, c, b1, b2, weights.log()),
        ImpliedJoint.of_bridge(Bridge(ab, bc, Bank(b1, b2, weights=weights)), a, c),
    ]
    draws = [torch.stack(joint.draw(500, generator(4))) for joint in joints]
    assert joints[1].sizes == (40, 60, 30)
    assert all((draws[0] == other).float().mean() > 0.999 for other in draws[1:])  # but for rounding at a step
    assert torch.equal(draws[1], torch.stack(joints[1].draw(500, generator(4))))
    assert not torch.equal(draws[1], torch.stack(joints[1].draw(500, generator(5))))


def test_what_is_free_per_bank_sample_cancels() -> None:
    shifted = ImpliedJoint(AB + torch.tensor([30.0, -7.0, 500.0]), CB)
    plain = ImpliedJoint(AB, CB)
    draws = [torch.stack(joint.draw(300, generator(6))) for joint in (shifted, plain)]
    assert torch.equal(*draws)


def test_both_sides_describe_one_bank() -> None:
    with pytest.raises(InputError, match="same bank: got 3 and 2 scores"):
        ImpliedJoint(AB, CB[:, :2])
    with pytest.raises(InputError, match=r"one number per bank sample, 3: got shape \[2\]"):
        ImpliedJoint(AB, CB, torch.zeros(2))
