"""What a side's samples looked like to a student: rows of another size, or columns in another order, are others.

A cosine critic does not see the norm of a row, so the bridge answers alike for embeddings that were brought to norm one
and for those that were not. A student learned from one of the two and would answer anything for the other.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.matrices import COLUMNS, check_order
from ucl.core.readers import Rows
from ucl.errors import InputError

__all__ = ["Seen"]

FACTOR = 2.0  # beyond the norms of all samples, in the median of what is embedded together


@dataclass(frozen=True)
class Seen:
    """The least and the largest norm of a side's samples, and what their table called its columns, if it did."""

    low: float
    high: float
    columns: tuple[str, ...] = ()

    @classmethod
    def of(cls, rows: Rows, samples: Float[Tensor, "n d"]) -> "Seen":
        """Of samples, and of the rows they were read from."""
        norms = torch.linalg.vector_norm(samples.double(), dim=1)
        return cls(float(norms.min()), float(norms.max()), tuple(json.loads(rows.metadata.get(COLUMNS, "[]"))))

    def check(self, rows: Rows, block: Float[Tensor, "n d"]) -> None:
        """Raise InputError where a block of rows cannot be of the kind of the samples."""
        check_order(
            json.loads(rows.metadata.get(COLUMNS, "[]")), list(self.columns), rows.name, "the student's samples"
        )
        middle = float(torch.linalg.vector_norm(block.double(), dim=1).median())
        if not self.low / FACTOR <= middle <= self.high * FACTOR:
            raise InputError(
                f"{rows.name} must be embedded as the student's samples were, whose norms reach from {self.low:.3g} to "
                f"{self.high:.3g}: got rows of norm {middle:.3g}; normalise them as those were, or not at all"
            )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> "Seen":
        return cls(about["low"], about["high"], tuple(about["columns"]))
