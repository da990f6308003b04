"""Score pairs of modalities that were never trained together."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ucl.core.bank import Bank
    from ucl.core.bridge import Candidates, Explanation, Retrieval, log_sum_exp_scores
    from ucl.core.critics import Cosine, Dot, NegativeL2, NegativeSquaredL2
    from ucl.core.reliability import FlatBankWarning, ThinBankWarning
    from ucl.core.result import BridgeResult, merge
    from ucl.errors import InputError
    from ucl.front import Bridge
    from ucl.trust.calibrate import Calibration, calibrate
    from ucl.trust.check import check
    from ucl.trust.diagnose import diagnose
    from ucl.trust.diagnosis import Diagnosis
    from ucl.trust.findings import Finding, Findings

__all__ = [
    "Bank",
    "Bridge",
    "BridgeResult",
    "Calibration",
    "Candidates",
    "Cosine",
    "Diagnosis",
    "Dot",
    "Explanation",
    "Finding",
    "Findings",
    "FlatBankWarning",
    "InputError",
    "NegativeL2",
    "NegativeSquaredL2",
    "Retrieval",
    "ThinBankWarning",
    "calibrate",
    "check",
    "diagnose",
    "log_sum_exp_scores",
    "merge",
]
__version__ = "0.1.0"
_MODULES = {
    "ucl.core.bank": ("Bank",),
    "ucl.core.bridge": ("Candidates", "Explanation", "Retrieval", "log_sum_exp_scores"),
    "ucl.core.critics": ("Cosine", "Dot", "NegativeL2", "NegativeSquaredL2"),
    "ucl.core.reliability": ("FlatBankWarning", "ThinBankWarning"),
    "ucl.core.result": ("BridgeResult", "merge"),
    "ucl.errors": ("InputError",),
    "ucl.front": ("Bridge",),
    "ucl.trust.calibrate": ("Calibration", "calibrate"),
    "ucl.trust.check": ("check",),
    "ucl.trust.diagnose": ("diagnose",),
    "ucl.trust.diagnosis": ("Diagnosis",),
    "ucl.trust.findings": ("Finding", "Findings"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """The names above, on first use: importing torch takes seconds, and checking parameters needs none of it."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ucl' has no attribute {name!r}")
