"""Score pairs of modalities that were never trained together."""

from ucl.bank import Bank
from ucl.bridge import Bridge, Candidates, Retrieval, log_sum_exp_scores
from ucl.critics import Cosine, Dot, NegativeL2, NegativeSquaredL2
from ucl.errors import InputError
from ucl.result import BridgeResult, merge

__all__ = [
    "Bank",
    "Bridge",
    "BridgeResult",
    "Candidates",
    "Cosine",
    "Dot",
    "InputError",
    "NegativeL2",
    "NegativeSquaredL2",
    "Retrieval",
    "log_sum_exp_scores",
    "merge",
]
