"""Score pairs of modalities that were never trained together."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
_MODULES = ("ucl.errors", "ucl.critics", "ucl.bank", "ucl.bridge", "ucl.result")


def __getattr__(name: str) -> Any:
    """The names above, on first use: importing torch takes seconds, and checking parameters needs none of it."""
    if name in __all__:
        for module in map(importlib.import_module, _MODULES):
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module 'ucl' has no attribute {name!r}")
