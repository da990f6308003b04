"""The order of a bank's rows: right, wrong for a part, wrong for all, and where nothing can be told."""

import pytest
import torch
from trust_draws import views

from ucl.runtime import generator
from ucl.trust import displaced
from ucl.trust.displaced import align
from ucl.trust.matching import Map, Side


def look(a, c):
    return align(lambda i: a[torch.from_numpy(i)], lambda i: c[torch.from_numpy(i)], len(a))


def moved(rows, share, how):
    rows, count = rows.clone(), round(share * len(rows))
    block = rows[20 : 20 + count]
    rows[20 : 20 + count] = {
        "rolled": block.roll(1, 0),
        "reversed": block.flip(0),
        "turned": block.roll(count // 3, 0),
    }[how]
    return rows


def test_a_sound_bank_is_sound_and_a_planted_displacement_would_have_been_found():
    found = look(*views(300))
    assert not found.unrelated
    assert not found.misfits
    assert found.found == 1


def test_kinds_that_the_rows_looked_at_hold_but_once_are_no_displacement():
    random = generator(0, 11)
    kinds = torch.randint(400, (6000,), generator=random)
    sides = []
    for _ in range(2):
        centres = torch.randn(400, 64, generator=random) / 8
        sides.append(torch.nn.functional.normalize(centres[kinds] + 0.06 * torch.randn(6000, 64, generator=random)))
    found = align(lambda i: sides[0][torch.from_numpy(i)], lambda i: sides[1][torch.from_numpy(i)], 6000, plant=False)
    assert found.misfits
    assert not found.displaced


@pytest.mark.parametrize(("share", "how"), [(0.1, "rolled"), (0.1, "reversed"), (0.2, "turned"), (0.5, "reversed")])
def test_a_part_of_the_rows_displaced_is_found_and_measured(share, how):
    a, c = views(300, seed=1)
    found = look(a, moved(c, share, how))
    assert found.displaced
    assert found.share == pytest.approx(share, abs=0.04)


@pytest.mark.parametrize("how", ["rolled", "reversed", "turned"])
def test_all_rows_displaced_are_two_sides_without_relation(how):
    a, c = views(300, seed=2)
    assert look(a, c.roll(1, 0) if how == "rolled" else c.flip(0) if how == "reversed" else c.roll(100, 0)).unrelated


def test_noise_on_a_tenth_of_the_rows_is_no_displacement():
    a, c = views(300, seed=3)
    c[::10] = c.mean(0) + c.std(0) * torch.randn(30, 16, generator=generator(4))
    found = look(a, c)
    assert found.misfits
    assert not found.displaced


def test_a_weak_relation_cannot_be_told_from_a_part_displaced():
    found = look(*views(300, 3.0, seed=5))
    assert not found.unrelated
    assert not found.displaced
    assert found.found == 0


def test_partners_outside_the_sample_are_found(monkeypatch):
    monkeypatch.setattr(displaced, "SAMPLE", 200)
    a, c = views(2000, seed=6)
    assert look(a, c).found == 1
    order = torch.randperm(2000, generator=generator(7))[:200]
    c[order] = c[order.roll(1)]
    assert look(a, c).displaced


def test_left_out_predictions_are_those_of_maps_fitted_without_the_row():
    a, c = (side[:40].double() for side in views(300, 0.3))
    side = Side(a)
    target = Side(c).coordinates(c)
    fitted = Map.fit(side, target, torch.ones(40, dtype=torch.float64), side.unweighted)
    ridge = displaced.RIDGES[fitted.best]
    gram = side.kernel(a)
    for row in (0, 17):
        rest = torch.arange(40) != row
        inner = gram[rest][:, rest] + ridge * torch.eye(39, dtype=torch.float64)
        by_hand = gram[row, rest] @ torch.linalg.solve(inner, target[rest])
        torch.testing.assert_close(fitted.left_out()[row], by_hand)


def test_log_ratios_are_those_of_the_gaussian():
    a, c = (side[:30].double() for side in views(300, 0.3))
    side = Side(a)
    target = Side(c).coordinates(c)
    fitted = Map.fit(side, target, torch.ones(30, dtype=torch.float64), side.unweighted)
    predicted, says = fitted.left_out(), fitted.says
    residual = torch.distributions.Normal(predicted[3, says], fitted.left[says].sqrt())
    marginal = torch.distributions.Normal(0.0, fitted.spread[says].sqrt())
    expected = (residual.log_prob(target[5, says]) - marginal.log_prob(target[5, says])).sum()
    torch.testing.assert_close(fitted.log_ratio(predicted, target)[3, 5], expected)
