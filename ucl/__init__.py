"""Score pairs of modalities that were never trained together."""

from ucl.bank import Bank
from ucl.bridge import Bridge, BridgeResult, log_sum_exp_scores
from ucl.critics import Cosine, Dot, NegativeL2, NegativeSquaredL2
from ucl.errors import InputError

__all__ = [
    "Bank",
    "Bridge",
    "BridgeResult",
    "Cosine",
    "Dot",
    "InputError",
    "NegativeL2",
    "NegativeSquaredL2",
    "log_sum_exp_scores",
]
