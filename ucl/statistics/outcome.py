"""What a statistical test answers."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

__all__ = ["Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What a test says of each sample of a batch: its statistic, its p-value, and an effect size that does not grow
    with the number of points."""

    statistic: Float[Tensor, "*s"]
    p_value: Float[Tensor, "*s"]
    effect: Float[Tensor, "*s"]
