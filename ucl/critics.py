"""Critics: similarities that estimate a log density ratio, with their learned scale (design: section 3)."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.errors import InputError

__all__ = ["CRITICS", "Cosine", "Critic", "Dot", "NegativeL2", "NegativeSquaredL2", "squared_distances"]

# A matrix product loses about 2^-53 d of |x|^2 + |y|^2: below this share of it, distances are computed directly.
CANCELLATION = 1e-5


def squared_distances(x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"]) -> Float[Tensor, "*s n m"]:
    """|x_i - y_j|^2 through one matrix product, never negative (torch.cdist has a slow backward pass)."""
    squares = ((-2 * x) @ y.mT).add_(x.square().sum(-1)[..., :, None]).add_(y.square().sum(-1)[..., None, :])
    return squares.clamp_min(0)


def dot_products(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], out: Tensor | None = None) -> Float[Tensor, "n m"]:
    """<x_i, y_j>, summed in short runs: in float32 within 4.5e-7 |x_i| |y_j| where one long sum is off by 8e-7.

    A product of matrices adds one term after the other, so the error of a sum of like signs grows with the root of its
    length (Higham and Mary 2019). Runs of 32 to 128 terms keep it near the size of the final rounding, at the same
    speed if `out` is given. In float64 there is nothing to gain.
    """
    if len(x) == 1:  # a product with one vector already sums in many short runs, one per vector lane
        return (y @ x[0])[None]
    width = x.shape[1]
    run = width if x.dtype == torch.float64 else 32 if width <= 128 else 64 if width <= 256 else 128
    out = torch.mm(x[:, :run], y[:, :run].T, out=out)
    for start in range(run, width, run):
        out.addmm_(x[:, start : start + run], y[:, start : start + run].T)
    return out


def accurate_squared_distances(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """|x_i - y_j|^2 without the cancellation of the matrix product where x_i and y_j are close."""
    centre = y.mean(0)
    x, y = x - centre, y - centre
    squares = squared_distances(x, y)
    size = x.square().sum(1)[:, None] + y.square().sum(1)
    i, j = (squares < CANCELLATION * size).nonzero(as_tuple=True)
    step = max(1, 2**22 // x.shape[1])
    for start in range(0, len(i), step):
        part = slice(start, start + step)
        squares[i[part], j[part]] = (x[i[part]] - y[j[part]]).square().sum(1)
    return squares


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
        return self.similarity(x, y, scale[..., None, None] if isinstance(scale, Tensor) else scale)

    @staticmethod
    @abstractmethod
    def similarity(
        x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"], scale: float | Tensor = 1.0
    ) -> Float[Tensor, "*s n m"]:
        """`scale` (positive, not checked) times the similarity; it enters where the numbers are few, in the rows."""

    @staticmethod
    def represent(x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """What `compare` compares: the part of the work that belongs to one side alone, done once."""
        return x

    @staticmethod
    @abstractmethod
    def compare(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], out: Tensor | None = None) -> Float[Tensor, "n m"]:
        """The similarity of represented rows, as exact as the precision allows; may use `out`; without gradients."""


class Cosine(Critic):
    """`scale * <x, y> / (|x| |y|)` (Assumption 3, Lemma 2)."""

    name = "cosine"

    @staticmethod
    def similarity(
        x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"], scale: float | Tensor = 1.0
    ) -> Float[Tensor, "*s n m"]:
        left: Tensor = _Unit.apply(x)  # type: ignore[no-untyped-call]
        right: Tensor = _Unit.apply(y)  # type: ignore[no-untyped-call]
        return (scale * left) @ right.mT

    @staticmethod
    def represent(x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        norms = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        if bool(((norms < 1e-15) | (norms > 1e15)).any()):  # squares of such numbers may have left the range
            x = x / x.abs().amax(-1, keepdim=True)
            norms = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        return x / norms

    @staticmethod
    def compare(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], out: Tensor | None = None) -> Float[Tensor, "n m"]:
        return dot_products(x, y, out)


class _Unit(torch.autograd.Function):
    """x / |x| with its gradient written out: a quarter of autograd's passes."""

    @staticmethod
    def forward(ctx: Any, x: Float[Tensor, "*s n d"]) -> Float[Tensor, "*s n d"]:
        norms = torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min_(1e-12)
        unit = x / norms
        ctx.save_for_backward(unit, norms)
        return unit

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Float[Tensor, "*s n d"]) -> Float[Tensor, "*s n d"]:
        unit, norms = ctx.saved_tensors
        along = (gradient * unit).sum(-1, keepdim=True)
        return torch.addcmul(gradient, unit, along, value=-1).div_(norms)


class Dot(Critic):
    """`scale * <x, y>`."""

    name = "dot"

    @staticmethod
    def similarity(
        x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"], scale: float | Tensor = 1.0
    ) -> Float[Tensor, "*s n m"]:
        return (scale * x) @ y.mT

    @staticmethod
    def compare(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], out: Tensor | None = None) -> Float[Tensor, "n m"]:
        return dot_products(x, y, out)


class NegativeL2(Critic):
    """`-scale * |x - y|` (section 6.1)."""

    name = "l2"

    @staticmethod
    def similarity(
        x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"], scale: float | Tensor = 1.0
    ) -> Float[Tensor, "*s n m"]:
        negative: Tensor = _NegativeDistance.apply(scale * x, scale * y)  # type: ignore[no-untyped-call]
        return negative

    @staticmethod
    def compare(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], out: Tensor | None = None) -> Float[Tensor, "n m"]:
        return accurate_squared_distances(x, y).sqrt_().neg_()


class _NegativeDistance(torch.autograd.Function):
    """-|x_i - y_j| with its gradient written out: two matrix products and a third of autograd's passes."""

    @staticmethod
    def forward(ctx: Any, x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"]) -> Float[Tensor, "*s n m"]:
        negative = squared_distances(x, y).sqrt_().neg_()
        ctx.save_for_backward(x, y, negative)
        return negative

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Float[Tensor, "*s n m"]) -> tuple[Tensor, Tensor]:
        x, y, negative = ctx.saved_tensors
        # Where points meet, what is left of their distance is rounding: taken for no less than that, it pulls nowhere.
        squares = x.square().sum(-1).amax(-1) + y.square().sum(-1).amax(-1)
        rounding = (torch.finfo(x.dtype).eps * squares).clamp_min_(torch.finfo(x.dtype).tiny).sqrt_()
        weights = gradient / torch.minimum(negative, -rounding[..., None, None])
        return x * weights.sum(-1)[..., None] - weights @ y, y * weights.sum(-2)[..., None] - weights.mT @ x


class NegativeSquaredL2(Critic):
    """`-scale * |x - y|^2 / 2` (Lemma 3; the maze's energy)."""

    name = "squared_l2"

    @staticmethod
    def similarity(
        x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"], scale: float | Tensor = 1.0
    ) -> Float[Tensor, "*s n m"]:
        return -squared_distances((scale / 2) ** 0.5 * x, (scale / 2) ** 0.5 * y)

    @staticmethod
    def compare(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], out: Tensor | None = None) -> Float[Tensor, "n m"]:
        return accurate_squared_distances(x, y).div_(-2)


CRITICS: dict[str, type[Critic]] = {c.name: c for c in (Cosine, Dot, NegativeL2, NegativeSquaredL2)}
