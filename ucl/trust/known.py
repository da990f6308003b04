"""Known pairs of (A, C) beside what was predicted for them: as far as pairs can tell, a test of Assumption 1."""

import math

from jaxtyping import Float
from torch import Tensor

from ucl.statistics.intervals import NORMAL
from ucl.trust.diagnosis import Known
from ucl.trust.predict import Prediction

__all__ = ["LEVEL", "compare"]

LEVEL = 0.05  # of the test
SHOWN_BY = 0.1  # the difference of recall that `Known.needed` speaks of
POWER = 0.84  # normal quantile: beside that of a test of 5 %, to see the difference in four of five cases


def compare(found: Float[Tensor, " n"], predicted: Prediction) -> Known:
    """Recall on n known pairs, whose hits (`ucl.trust.predict.hits`) are `found`, beside the predicted one.

    A normal test of their difference, the prediction's own error included.
    """
    n, level = len(found), predicted.recall
    share = (float(found.double().sum()) + 0.5) / (n + 1)
    own = math.sqrt(level * (1 - level) / n)
    error = math.hypot(own, (predicted.high - predicted.low) / (2 * NORMAL))
    needed = math.ceil(level * (1 - level) * ((NORMAL + POWER) / SHOWN_BY) ** 2)
    p_value = math.erfc(abs(share - level) / error / math.sqrt(2))
    return Known(n, float(found.double().mean()), level, p_value, needed)
