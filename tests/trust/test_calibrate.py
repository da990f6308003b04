"""The scale that known pairs ask for, where the law that drew them is known."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from trust_draws import pairs

from ucl.core.critics import CRITICS
from ucl.errors import InputError
from ucl.learning.losses import info_nce
from ucl.trust.calibrate import calibrate


@pytest.mark.parametrize("scale", [5.0, 20.0])
def test_the_scale_is_found_within_its_interval(scale):
    found = [calibrate(*pairs(scale, 200, 12, seed)) for seed in range(12)]
    assert np.mean([c.scale for c in found]) == pytest.approx(scale, rel=0.05)
    assert np.mean([c.low <= scale <= c.high for c in found]) >= 0.75


def test_the_interval_is_as_wide_as_the_scales_spread():
    found = [calibrate(*pairs(8.0, 200, 12, seed)) for seed in range(24)]
    spread = np.std([math.log(c.scale) for c in found])
    assert np.mean([math.log(c.high / c.low) / 3.92 for c in found]) == pytest.approx(spread, rel=0.4)


@pytest.mark.parametrize("critic", CRITICS)
def test_it_is_the_least_of_info_nce(critic):
    x, y = pairs(6.0, 60, 8, 1)
    x, y = 1.5 * x, y + 0.1
    found = calibrate(x.numpy(), y.numpy(), critic)
    kind = CRITICS[critic]
    least = minimize_scalar(lambda t: float(info_nce(kind(math.exp(t))(x, y))), (-2, 4), tol=1e-9)
    assert found.scale == pytest.approx(math.exp(least.x), rel=1e-4)
    assert found.loss == pytest.approx(least.fun, abs=1e-8)
    assert found.chance == pytest.approx(math.log(60))


def test_large_sets_are_told_apart_in_batches():
    found = calibrate(*pairs(10.0, 1100, 12, 3))
    assert (found.pairs, found.batch) == (1100, 550)
    assert found.low <= 10.0 <= found.high


def test_pairs_that_tell_nothing_say_so():
    x, _ = pairs(5.0, 100, 12, 4)
    assert math.isinf(calibrate(x, x).high)
    assert str(calibrate(x, x)).endswith("any larger scale does as well; are both sides the same rows?")
    assert calibrate(x, -x).low == 0
    assert str(calibrate(x, -x)).endswith(
        "nothing tells these pairs from chance; are the rows of both sides in one order?"
    )
    assert calibrate(*pairs(5.0, 100, 12, 4)).doubt is None


def test_pairs_that_do_not_fit_are_one_line():
    x, y = pairs(5.0, 30, 12, 5)
    with pytest.raises(InputError, match="critic must be one of cosine, dot"):
        calibrate(x, y, "euclid")
    with pytest.raises(InputError, match="at least 20 pairs, of one width"):
        calibrate(x, y[:29])
    with pytest.raises(InputError, match="at least 20 pairs"):
        calibrate(x[:5], y[:5])
