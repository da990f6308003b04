"""Exact ratios of the two extra worlds against sums over every hidden state."""

import itertools
import math

import pytest
import torch

from ucl.runtime import generator
from ucl.worlds.multimodal import MultimodalWorld
from ucl.worlds.xor import XorWorld

RINGS = MultimodalWorld(circles=2, positions=5, noise=0.4, noise_b=0.3)
XOR = XorWorld(bits=3, noise=0.7)


def draw(world, n, seeds=2):
    return world.sample(n, [generator(seed) for seed in range(seeds)])


def normal(x, mean, noise):
    return math.exp(-sum((u - v) ** 2 for u, v in zip(x, mean, strict=True)) / (2 * noise**2))


def hidden_states(world):
    """Means of A, B and C, one tuple per equally likely hidden state."""
    if isinstance(world, XorWorld):
        signs = list(itertools.product((-1.0, 1.0), repeat=world.bits))
        return [(s, t, tuple(u * v for u, v in zip(s, t, strict=True))) for s in signs for t in signs]
    places = itertools.product(range(world.positions), repeat=world.circles)

    def view(place, turns):
        angles = [2 * math.pi * turns * p / world.positions for p in place]
        return tuple(x for t in angles for x in (math.cos(t), math.sin(t)))

    return [(view(p, 2), view(p, 1), view(p, 3)) for p in places]


def brute(world, a, b, c):
    """log p(a, c) / p(a) p(c) and log p(c | a, b) / p(c)."""
    noise_b = getattr(world, "noise_b", world.noise)
    rows = [
        (normal(a, x, world.noise), normal(b, y, noise_b), normal(c, z, world.noise))
        for x, y, z in hidden_states(world)
    ]
    mean = lambda values: sum(values) / len(rows)  # noqa: E731
    p_c = mean([z for *_, z in rows])
    pair = mean([x * z for x, _, z in rows]) / (mean([x for x, *_ in rows]) * p_c)
    triple = mean([x * y * z for x, y, z in rows]) / (mean([x * y for x, y, _ in rows]) * p_c)
    return math.log(pair), math.log(triple)


@pytest.mark.parametrize("world", [RINGS, XOR])
def test_ratios_against_sums_over_hidden_states(world):
    data = draw(world, 4)
    pair, triple = world.log_ratio(data.a, data.c), world.log_ratio_given_b(data.a, data.b, data.c)
    for s, i, j in itertools.product(range(2), range(4), range(4)):
        a, b, c = (x.double().tolist() for x in (data.a[s, i], data.b[s, i], data.c[s, j]))
        expected = brute(world, a, b, c)
        assert float(pair[s, i, j]) == pytest.approx(expected[0], abs=1e-5)
        assert float(triple[s, i, j]) == pytest.approx(expected[1], abs=1e-5)


def test_ratio_averages_to_one_over_candidates():
    data = draw(RINGS, 4000, seeds=1)
    ratios = RINGS.log_ratio(data.a[:, :20], data.c).exp()
    torch.testing.assert_close(ratios.mean(-1), torch.ones(1, 20, dtype=torch.float64), atol=0.15, rtol=0)


def test_views_leave_two_and_three_modes():
    world = MultimodalWorld(circles=1, positions=12, noise=0.05, noise_b=0.01)
    data = draw(world, 50, seeds=1)
    for x, turns, modes in ((data.a, 2, 2), (data.c, 3, 3), (data.b, 1, 1)):
        noise = world.noise_b if turns == 1 else world.noise
        likely = world._log_posterior(x, turns, noise).exp() > 0.5 / modes
        assert torch.equal(likely.sum(-1), torch.full((1, 50, 1), modes))


def test_xor_is_independent_in_pairs():
    data = draw(XorWorld(bits=2, noise=0.1), 20_000, seeds=1)
    signs = [x[0].sign() for x in (data.a, data.b, data.c)]
    for x, y in itertools.combinations(signs, 2):
        assert (x.T @ y / len(x)).abs().max() < 0.04
    torch.testing.assert_close(signs[0] * signs[1], signs[2])


def test_a_world_does_not_depend_on_its_neighbours():
    alone = RINGS.sample(6, [generator(1)])
    torch.testing.assert_close(draw(RINGS, 6).a[1:], alone.a)
