"""Sums over a bank that scores and their errors are made of: fresh, read from a file, or merged from parts."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Never

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ucl.core.log_sum_exp import LogSums
from ucl.errors import InputError

__all__ = ["NAMES", "Anchors", "Form", "KnownMoments", "MergedMoments", "Moments", "add_sums"]

Anchors = Int[Tensor, " _f"] | None
NAMES = ("pairs", "rows", "columns")


@dataclass(frozen=True)
class Form:
    """What came in decides what goes out: NumPy or torch, the precision, the device."""

    torch_in: bool
    dtype: torch.dtype
    device: torch.device

    def give(self, value: Tensor) -> Any:
        """`value` in this form; raises InputError where it leaves the range of the precision."""
        given = value.to(self.dtype)
        if bool(torch.isinf(given).any()):
            raise InputError(
                f"the answer must be within the range of {str(self.dtype)[6:]}: got {float(value.abs().max()):.3g}; "
                "score with dtype='float64', or rescale the inputs"
            )
        value = given
        return value if self.torch_in else value.detach().cpu().numpy()


class Moments(ABC):
    """Sums of a grid over samples i of weight w_i, of which those that are equal have the weight W_i together.

    `weight` is sum_i w_i. Where no two samples are equal and there are no weights, all w_i and W_i are one.
    """

    weight: float
    first: LogSums  # log sum_i w_i exp(S_ai + T_ci); at hand

    @property
    @abstractmethod
    def squared_weight(self) -> float:
        """sum_i w_i W_i: the sum of W^2 over distinct samples. May take a pass over the bank."""

    @abstractmethod
    def second(self, p: int, q: int) -> LogSums:
        """log sum_i w_i W_i exp(p S_ai + q T_ci) for powers up to 2. May take a pass over the bank."""

    @abstractmethod
    def largest(self, i: Anchors, j: Anchors, count: int) -> Float[Tensor, "f _"]:
        """The `count` largest of log w + S + T over samples for the entries (i, j), in descending order. A pass.

        Of S alone without `j`, of T alone without `i`.
        """

    def errors(self, i: Int[Tensor, " f"], j: Int[Tensor, " f"], normalize: bool) -> Float[Tensor, " f"]:
        """Standard errors of the entries (i, j), summed over samples one by one; NaN where there is no bank to ask."""
        return torch.full(i.shape, torch.nan, dtype=torch.float64, device=i.device)

    def require(self, powers: Sequence[tuple[int, int]]) -> None:  # noqa: B027, most can
        """Raise unless these second moments can be had."""

    @property
    @abstractmethod
    def alike(self) -> bool:
        """Whether all samples are distinct and of weight one: squared weights are weights. Costs what they cost."""


class KnownMoments(Moments):
    """Sums that were read from a file; without `known` and `squared_weight`, of scores alone."""

    def __init__(
        self, first: LogSums, known: dict[tuple[int, int], LogSums], weight: float, squared_weight: float | None
    ) -> None:
        self.first, self.known, self.weight, self._squared_weight = first, known, weight, squared_weight

    @property
    def squared_weight(self) -> float:
        return self._squared_weight if self._squared_weight is not None else self._refuse()

    @property
    def alike(self) -> bool:
        return (1, 1) not in self.known

    def second(self, p: int, q: int) -> LogSums:
        if not self.known:
            self._refuse()
        return self.first if (p, q) == (1, 1) and self.alike else self.known[p, q]

    def _refuse(self) -> Never:
        raise InputError(
            "this loaded result holds scores alone: save it with errors=True, or score its shard with --errors"
        )

    def require(self, powers: Sequence[tuple[int, int]]) -> None:
        if self.known and any(pair not in self.known for pair in powers):
            raise InputError(
                "this loaded result does not hold what normalisation needs: save it from a bridge with normalize=True"
            )

    def largest(self, i: Anchors, j: Anchors, count: int) -> Float[Tensor, "f _"]:
        raise InputError(
            "a loaded result does not hold its bank's largest weights: ask for `reliable` before saving it"
        )


class MergedMoments(Moments):
    """Sums over parts of a bank, added up when they are asked for."""

    def __init__(self, parts: list[Moments]) -> None:
        self.parts = parts
        self.first = reduce(add_sums, (part.first for part in parts))
        self.weight = sum(part.weight for part in parts)
        self.known: dict[tuple[int, int], LogSums] = {}

    @property
    def squared_weight(self) -> float:
        return sum(part.squared_weight for part in self.parts)

    @property
    def alike(self) -> bool:
        return all(part.alike for part in self.parts)

    def second(self, p: int, q: int) -> LogSums:
        if (p, q) == (1, 1) and self.alike:
            return self.first
        if (p, q) not in self.known:
            self.known[p, q] = reduce(add_sums, (part.second(p, q) for part in self.parts))
        return self.known[p, q]

    def require(self, powers: Sequence[tuple[int, int]]) -> None:
        for part in self.parts:
            part.require(powers)

    def largest(self, i: Anchors, j: Anchors, count: int) -> Float[Tensor, "f _"]:
        found = torch.cat([part.largest(i, j, count) for part in self.parts], 1)
        return found.topk(min(count, found.shape[1]), dim=1).values


def add_sums(x: LogSums, y: LogSums) -> LogSums:
    """Log sums over the samples of both, in float64."""
    sums = {name: torch.logaddexp(getattr(x, name), getattr(y, name)) for name in NAMES}
    return LogSums(**sums, recomputed=x.recomputed + y.recomputed)
