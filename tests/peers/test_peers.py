"""Each method on a case small enough to work out by hand."""

import math
from dataclasses import replace

import pytest
import torch

import ucl.peers
from ucl.core.critics import Cosine, Dot, NegativeL2, NegativeSquaredL2
from ucl.distilled.training import Settings
from ucl.errors import InputError
from ucl.peers import PEERS, SharedBank
from ucl.peers.c_mcr import CMCR
from ucl.peers.closed_forms import Lemma2, Lemma3
from ucl.peers.direct import Direct
from ucl.peers.distilled import Distilled, DistilledLinear
from ucl.peers.maps import CCA, Barycentre, Procrustes, Ridge
from ucl.peers.monte_carlo import MonteCarlo, MonteCarloNormalized, MonteCarloUnscaled, OneHop, TopK
from ucl.peers.relative import ASIF, RelativeRepresentations
from ucl.runtime import generator

# On a line: two bank samples, at 0 and 4 for the A-B model (scale 2), at 1 and 3 for the B-C model (scale 1).
LINE = SharedBank(torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [3.0]]), NegativeL2(2.0), NegativeL2(1.0))
A, C = torch.tensor([[1.0]]), torch.tensor([[3.0], [0.0]])


def scores(peer, bank=LINE, a=A, c=C):
    return peer.fit(bank).score(a, c)


def close(found, expected, **tolerance):
    torch.testing.assert_close(
        found, torch.tensor(expected, dtype=found.dtype), **({"atol": 1e-5, "rtol": 0} | tolerance)
    )


def test_direct():
    close(scores(Direct()), [[-2.0, -1.0]])  # |1 - 3| and |1 - 0| at scale 1


def test_every_bridge_is_public_and_retrieves():
    bank = SharedBank(*(torch.randn(60, 4, generator=generator(i)) for i in (1, 2)), Cosine(3.0), Cosine(2.0))
    a, c = (torch.randn(n, 4, generator=generator(n)) for n in (5, 9))
    for method in PEERS:
        assert getattr(ucl.peers, method.__name__) is method
        assert method.__name__ in ucl.peers.__all__
        if method not in (CMCR, Distilled, DistilledLinear) and method().applies(bank):
            peer = method().fit(bank)
            best, scores = peer.retrieve(a, c, k=3), peer.score(a, c)
            torch.testing.assert_close(best.scores, scores.sort(descending=True, stable=True).values[:, :3])
            assert torch.equal(best.indices, scores.sort(descending=True, stable=True).indices[:, :3])
            assert repr(peer) == f"{method.__name__}(fitted on 60 samples)"
    with pytest.raises(InputError, match="k must be between 1 and the number of candidates, 9: got 10"):
        peer.retrieve(a, c, k=10)


def test_direct_needs_one_space():
    bank = SharedBank(torch.ones(2, 1), torch.ones(2, 3), NegativeL2(1.0), NegativeL2(1.0))
    assert not Direct().applies(bank)
    with pytest.raises(InputError, match="widths 1 and 3"):
        scores(Direct(), bank, torch.ones(1, 1), torch.ones(1, 3))


def test_monte_carlo():
    # a to the bank: -2, -6; c = 3 from it: -2, 0; c = 0 from it: -1, -3
    first, second = math.exp(-4) + math.exp(-6), math.exp(-3) + math.exp(-9)
    close(scores(MonteCarlo()), [[math.log(first / 2), math.log(second / 2)]])
    # without the scale: -1, -3 from a
    close(scores(MonteCarloUnscaled())[0, 0], math.log((math.exp(-3) + math.exp(-3)) / 2))


def test_monte_carlo_normalized():
    mean_a = (math.exp(-2) + math.exp(-6)) / 2
    mean_c = (math.exp(-2) + 1) / 2
    close(scores(MonteCarloNormalized())[0, 0], math.log((math.exp(-4) + math.exp(-6)) / 2 / (mean_a * mean_c)))


def test_one_hop_and_top_k():
    close(scores(OneHop()), [[-4.0, -3.0]])  # sample 0 is nearest to a
    close(scores(TopK(k=5)), [[math.log(math.exp(-4) + math.exp(-6)), math.log(math.exp(-3) + math.exp(-9))]])


def test_lemma_2_on_the_circle():
    bank = SharedBank(torch.eye(2), torch.eye(2), Cosine(2.0), Cosine(1.0))
    a, c = torch.tensor([[5.0, 0.0]]), torch.tensor([[3.0, 0.0], [0.0, 2.0], [-1.0, 0.0]])
    angles = torch.linspace(0, 2 * math.pi, 1001, dtype=torch.float64)[:-1]
    b = torch.stack([angles.cos(), angles.sin()], 1)
    # the mean over the circle of exp(2 <a, b> + <b, c>) for c along a, across it, and against it
    along = [
        torch.exp(2 * b[:, 0] + b @ torch.tensor(u).double()).mean().log() for u in ([1.0, 0], [0.0, 1], [-1.0, 0])
    ]
    close(scores(Lemma2(), bank, a, c), [[float(x) for x in along]])


def test_lemma_3_on_the_line():
    x = torch.tensor([[4.0], [6.0], [5.0 - 2**0.5], [5.0 + 2**0.5]])  # centre 5, variance (1 + 1 + 2 + 2) / 4
    bank = SharedBank(x, x, NegativeSquaredL2(2.0), NegativeSquaredL2(1.0))
    grid = torch.linspace(-15, 15, 30001, dtype=torch.float64)
    weights = torch.exp(-grid.square() / 3)
    expected = [
        float((torch.exp(-(1.0 - grid).square() - (u - grid).square() / 2) * weights).sum().log() - weights.sum().log())
        for u in (0.0, 2.0)
    ]
    close(scores(Lemma3(), bank, torch.tensor([[6.0]]), torch.tensor([[5.0], [7.0]])), [expected])


def test_barycentre():
    weight = 1 / (1 + math.exp(-4))  # of the sample at 1, against the one at 3
    place = weight + 3 * (1 - weight)
    close(scores(Barycentre()), [[-(3 - place), -place]])


def test_procrustes_undoes_rotation_scaling_and_shift():
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    turned = 3 * x @ torch.tensor([[0.0, 1.0], [-1.0, 0.0]]) + torch.tensor([5.0, -1.0])
    bank = SharedBank(x, turned, NegativeL2(1.0), NegativeL2(1.0))
    found = scores(Procrustes(), bank, torch.tensor([[1.0, 1.0]]), torch.tensor([[2.0, 2.0], [2.0, 3.0]]))
    close(found, [[0.0, -1.0]])  # (1, 1) -> 3 (-1, 1) + (5, -1) = (2, 2)


def test_procrustes_takes_spaces_of_different_width():
    x = torch.tensor([[1.0], [2.0], [4.0]])
    bank = SharedBank(x, x @ torch.tensor([[3.0, 4.0]]), NegativeL2(1.0), NegativeL2(1.0))
    close(scores(Procrustes(), bank, torch.tensor([[3.0]]), torch.tensor([[9.0, 12.0]])), [[0.0]], atol=1e-4)


def test_ridge_finds_the_line():
    x = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    bank = SharedBank(x, 2 * x + 1, NegativeL2(1.0), NegativeL2(1.0))
    close(scores(Ridge(), bank, torch.tensor([[5.0]]), torch.tensor([[11.0], [10.0]])), [[0.0, -1.0]], atol=1e-4)


def test_ridge_shrinks_noise():
    random = generator(1)
    x, y = torch.randn(40, 8, generator=random), torch.randn(40, 3, generator=random)
    ridge = Ridge().fit(SharedBank(x, y, NegativeL2(1.0), NegativeL2(1.0)))
    least_squares = torch.linalg.lstsq(x - x.mean(0), y - y.mean(0)).solution
    assert ridge.map.norm() < 0.5 * least_squares.norm()


def test_cca_ignores_linear_maps():
    random = generator(2)
    x = torch.randn(50, 3, generator=random)
    mix = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 0.5], [1.0, 0.0, 3.0]])
    bank = SharedBank(x, x @ mix + 7, Cosine(1.0), Cosine(1.0))
    a = torch.randn(4, 3, generator=random)
    found = scores(CCA(), bank, a, a @ mix + 7)
    close(found.diagonal(), [1.0] * 4)
    assert float((found - torch.eye(4)).max()) < 1


def test_cca_keeps_only_what_correlates():
    # first coordinate shared, second unrelated (orthogonal by construction)
    x = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    y = torch.stack([x[:, 0], x[:, 0] * x[:, 1]], 1)
    found = scores(
        CCA(), SharedBank(x, y, Cosine(1.0), Cosine(1.0)), torch.tensor([[1.0, 9.0]]), torch.tensor([[2.0, -9.0]])
    )
    close(found, [[1.0]])


def test_relative_representations():
    # a has cosines (1, 0) with the bank, c has (0.6, 0.8): their cosine is 0.6, whatever the spaces
    bank = SharedBank(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.eye(3)[1:], Cosine(1.0), Cosine(1.0))
    found = scores(RelativeRepresentations(), bank, torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 3.0, 4.0]]))
    close(found, [[0.6]])


def test_asif_keeps_the_largest_coordinates():
    bank = SharedBank(torch.eye(2), torch.eye(2), Cosine(1.0), Cosine(1.0))
    a, c = torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0], [1.0, 2.0]])
    close(scores(ASIF(k=1), bank, a, c), [[0.0, 1.0]])
    powers = torch.tensor([0.6**2, 0.8**2])
    close(scores(ASIF(k=2, power=2.0), bank, a, c)[0, 0], float(2 * powers.prod() / powers.square().sum()))


def test_c_mcr_joins_two_rotated_spaces():
    random = generator(3)
    places = torch.nn.functional.normalize(torch.randn(12, 4, generator=random), dim=1)
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=random)).Q
    b = places.repeat(20, 1)
    bank = SharedBank(b, b @ rotation, Cosine(20.0), Cosine(20.0), memory_a=places, memory_c=places @ rotation)
    peer = CMCR(steps=150, batch=64)
    found = scores(peer, bank, places, places @ rotation)
    assert torch.equal(found.argmax(1), torch.arange(12))
    assert torch.equal(found, scores(CMCR(steps=150, batch=64), bank, places, places @ rotation))
    with pytest.raises(InputError, match="memory_a"):
        CMCR().fit(LINE)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
@pytest.mark.parametrize("critic", [Cosine, Dot, NegativeL2, NegativeSquaredL2])
def test_every_peer_scores_a_grid_with_every_critic(peer, critic):
    random = generator(4)
    b, b2, a, c = (torch.randn(n, d, generator=random) for n, d in ((30, 3), (30, 5), (4, 3), (6, 5)))
    bank = SharedBank(b, b2, critic(2.0), critic(3.0), memory_a=a, memory_c=c)
    method = CMCR(steps=2, batch=8) if peer is CMCR else peer()
    if issubclass(peer, Distilled):
        method = peer(Settings(steps=2, batch=32))
        bank = replace(
            bank, memory_a=torch.randn(40, 3, generator=random), memory_c=torch.randn(30, 5, generator=random)
        )
    if not method.applies(bank):
        assert peer in (Direct, Lemma2, Lemma3)
        return
    found = method.fit(bank).score(a, c)
    assert found.shape == (4, 6)
    assert bool(torch.isfinite(found).all())
    # a query's scores do not depend on which other queries and candidates are asked about
    torch.testing.assert_close(method.score(a[1:2], c[2:4]), found[1:2, 2:4], atol=1e-4, rtol=1e-4)


def test_rows_must_match():
    with pytest.raises(InputError, match="got 2 and 3 rows"):
        SharedBank(torch.ones(2, 1), torch.ones(3, 1), Dot(1.0), Dot(1.0))
