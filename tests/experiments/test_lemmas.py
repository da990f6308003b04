"""The checks of `lemmas` hold, and fail when what they check is false."""

import numpy as np
import pytest
import torch

from ucl.experiments.lemmas import checks as lemmas
from ucl.experiments.lemmas.config import Lemmas
from ucl.experiments.lemmas.summary import summarise

SMALL = Lemmas(
    seed=1, bank=4000, anchors=4, dimension=4, scales=[3.0, 2.0], sd=0.7, samples=4000, infonce_states=3,
    infonce_models=12, infonce_batch=16, infonce_steps=600, states=4, actions=3, gamma=0.7, trajectories=100_000,
)  # fmt: skip


def test_every_check_holds() -> None:
    table = lemmas.check_all(SMALL, progress=False)
    assert tuple(table["check"]) == lemmas.CHECKS
    assert table["holds"].all(), table
    assert set(summarise(table)["lemma_2"]) == {"error", "tolerance", "holds"}


def test_a_wrong_closed_form_is_found(monkeypatch) -> None:
    right = lemmas.uniform_log_ratio
    monkeypatch.setattr(lemmas, "uniform_log_ratio", lambda *inputs: right(*inputs) + 0.2)
    assert not lemmas.lemma_2(SMALL).holds
    exact = lemmas.gaussian_log_ratio
    monkeypatch.setattr(lemmas, "gaussian_log_ratio", lambda a, c, sd: exact(a, c, 1.4 * sd))
    assert not lemmas.lemma_3(SMALL).holds


def test_exact_occupancy_solves_the_bellman_equation() -> None:
    """Q(s,a,g) = (1 - gamma) p(g|s,a) + gamma E Q(s',a',g), and each Q is a distribution over g."""
    world = lemmas._World.at_random(torch.Generator().manual_seed(0), SMALL)
    q = world.exact_q()
    ahead = torch.einsum("sat,tb,tbg->sag", world.transition, world.policy, q)
    assert torch.allclose(q, (1 - world.gamma) * world.transition + world.gamma * ahead)
    assert torch.allclose(q.sum(-1), torch.ones(4, 3, dtype=torch.float64))


def test_a_wrong_discount_is_found(monkeypatch) -> None:
    right = lemmas._World.exact_q

    def wrong(world):
        return right(lemmas.replace(world, gamma=world.gamma - 0.2))

    monkeypatch.setattr(lemmas._World, "exact_q", wrong)
    assert not lemmas.occupancy(SMALL).holds


@pytest.mark.parametrize("gamma", [0.0001, 0.6])
def test_futures_are_geometric(gamma) -> None:
    """On a long line that is walked one state a step, the state reached is the number of steps."""
    n = 60
    step = torch.zeros(n, 1, n, dtype=torch.float64)
    step[torch.arange(n), 0, torch.arange(1, n + 1).clamp_max(n - 1)] = 1
    one = torch.ones(n, 1, dtype=torch.float64)
    world = lemmas._World(one[:, 0] / n, step, one, gamma)
    start = torch.zeros(40_000, dtype=torch.long)
    reached = world.futures(torch.Generator().manual_seed(0), start, start)
    counts = torch.bincount(reached, minlength=n).numpy() / len(start)
    expected = (1 - gamma) * gamma ** np.arange(n - 1)
    assert np.abs(counts[1:] - expected).max() < 5 * 0.5 / 200
