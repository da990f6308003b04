"""Symile on cases small enough to work out by hand."""

import math

import torch

from ucl.learning.symile import SymileModel, train_symile
from ucl.learning.training import Optimisation
from ucl.runtime import generator
from ucl.worlds.gaussian import Triples


def close(found, expected):
    torch.testing.assert_close(found, torch.tensor(expected, dtype=found.dtype), atol=1e-5, rtol=0)


def identity_symile(log_scale=0.0):
    return SymileModel({m: torch.nn.Identity() for m in "abc"}, log_scale, models=1)


def test_symile_scores_by_hand():
    model = identity_symile(math.log(2))
    a, b, c = (torch.tensor([[x]]) for x in ([1.0, 2.0], [3.0, -1.0], [0.5, 4.0]))
    close(model.score(a, b, c), [[[2 * (1.5 - 8)]]])
    bank = torch.tensor([[[3.0, -1.0], [0.0, 1.0]]])
    close(model.score_marginal(a, bank, c, 1), [[[[math.log(math.exp(-13) + math.exp(16))]]]])


def test_symile_loss_by_hand():
    one, two = torch.tensor([[[1.0], [0.0]]]), torch.tensor([[[1.0], [1.0]]])
    # (a b) c: rows (1, 1) and (0, 0); (a c) b: the same; (b c) a: (1, 0) and (1, 0)
    expected = (2 * math.log(2) + 2 * math.log(2) + (2 * math.log(math.e + 1) - 1)) / 6
    close(identity_symile().loss(Triples(one, two, two)), [expected])


def test_symile_learns_a_product_that_no_pair_holds():
    signs = torch.randint(2, (2, 1, 256, 4), generator=generator(5)) * 2.0 - 1
    data = Triples(signs[0], signs[1], signs[0] * signs[1])
    torch.manual_seed(0)
    model = SymileModel({m: torch.nn.Linear(4, 4) for m in "abc"}, 0.0, models=1)
    before = float(model.loss(data).detach())
    train_symile(model, data, Optimisation(30, 32, 0.02, 25, 0.0), [generator(6)])
    assert float(model.loss(data).detach()) < 0.7 * before
