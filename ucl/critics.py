"""Critics: similarities that estimate a log density ratio, with their learned scale (design: section 3)."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.errors import InputError

__all__ = ["CRITICS", "Cosine", "Critic", "Dot", "NegativeL2", "NegativeSquaredL2", "squared_distances"]


def squared_distances(x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"]) -> Float[Tensor, "*s n m"]:
    """|x_i - y_j|^2 through one matrix product, never negative (torch.cdist has a slow backward pass)."""
    squares = x.square().sum(-1)[..., :, None] + y.square().sum(-1)[..., None, :]
    return (squares - 2 * x @ y.mT).clamp_min(0)


@dataclass(frozen=True)
class Critic(ABC):
    """`f(x, y)`, an estimate of `log p(x, y) / (p(x) p(y))` up to a constant: `scale` times a similarity.

    `scale` is the inverse temperature the critic was trained with: a number, or a tensor that broadcasts over the
    leading dimensions (one scale per stacked model).
    """

    scale: float | Tensor = 1.0
    name: ClassVar[str]

    def __post_init__(self) -> None:
        scale = torch.as_tensor(self.scale)
        if not bool(((scale > 0) & torch.isfinite(scale)).all()):
            raise InputError(f"scale must be positive and finite: got {self.scale}; give exp(logit_scale) of the model")

    def __call__(self, x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"]) -> Float[Tensor, "*s n m"]:
        """Score every row of `x` against every row of `y`."""
        scale = self.scale
        if isinstance(scale, Tensor):
            scale = scale[..., None, None]
        return scale * self.similarity(x, y)

    @staticmethod
    @abstractmethod
    def similarity(x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"]) -> Float[Tensor, "*s n m"]:
        """The similarity before scaling."""


class Cosine(Critic):
    """`scale * <x, y> / (|x| |y|)` (Assumption 3, Lemma 2)."""

    name = "cosine"

    @staticmethod
    def similarity(x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"]) -> Float[Tensor, "*s n m"]:
        return torch.nn.functional.normalize(x, dim=-1) @ torch.nn.functional.normalize(y, dim=-1).mT


class Dot(Critic):
    """`scale * <x, y>`."""

    name = "dot"

    @staticmethod
    def similarity(x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"]) -> Float[Tensor, "*s n m"]:
        return x @ y.mT


class NegativeL2(Critic):
    """`-scale * |x - y|` (section 6.1)."""

    name = "l2"

    @staticmethod
    def similarity(x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"]) -> Float[Tensor, "*s n m"]:
        # The floor keeps the square root's gradient finite where two representations meet.
        return -squared_distances(x, y).clamp_min(1e-12).sqrt()


class NegativeSquaredL2(Critic):
    """`-scale * |x - y|^2 / 2` (Lemma 3; the maze's energy)."""

    name = "squared_l2"

    @staticmethod
    def similarity(x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"]) -> Float[Tensor, "*s n m"]:
        return -squared_distances(x, y) / 2


CRITICS: dict[str, type[Critic]] = {c.name: c for c in (Cosine, Dot, NegativeL2, NegativeSquaredL2)}
