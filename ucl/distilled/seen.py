"""What a side's samples looked like to a student: rows of another size, or columns in another order, are others.

A cosine critic does not see the norm of a row, so the bridge answers alike for embeddings that were brought to norm one
and for those that were not. A student learned from one of the two and would answer anything for the other.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.readers import Rows, check_order, columns_of
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
    def of(cls, rows: Rows, samples: Float[Tensor, "n d"], bank: Rows) -> "Seen":
        """Of samples, of the rows they were read from, and of the bank's, where those have no names."""
        norms = torch.linalg.vector_norm(samples.double(), dim=1)
        return cls(float(norms.min()), float(norms.max()), tuple(columns_of(rows) or columns_of(bank)))

    def check_columns(self, rows: Rows) -> None:
        """Raise InputError where a table has the same columns in another order."""
        check_order(columns_of(rows), list(self.columns), rows.path or rows.name, "the student's samples")

    def check_norms(self, rows: Rows, block: Float[Tensor, "n d"]) -> None:
        """Raise InputError where a block of rows is of another size than the samples."""
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
