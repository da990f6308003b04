"""What `from ucl import Bridge` gives: the engine's bridge, and the ways on from it that lie above the engine."""

from typing import Any

from ucl.core.bridge import Bridge as Engine
from ucl.distilled.distil import distill
from ucl.distilled.student import Student
from ucl.trust.diagnose import diagnose
from ucl.trust.diagnosis import Diagnosis

__all__ = ["Bridge"]


class Bridge(Engine):
    __doc__ = Engine.__doc__

    def distill(self, a_samples: Any, c_samples: Any, **options: Any) -> Student:
        """Two small maps to unit vectors that say what this bridge says, from unpaired samples of A and of C.

        Options (`width`, `hidden`, `seed`, ...) are those of `ucl.distilled.distil.distill`.
        """
        return distill(self, a_samples, c_samples, **options)

    def diagnose(self, a: Any, c: Any, **options: Any) -> Diagnosis:
        """Direct comparison, which bridge, or neither? Options are those of `ucl.trust.diagnose.diagnose`."""
        return diagnose(self, a, c, **options)
