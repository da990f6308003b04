"""Critics: similarities that estimate a log density ratio, with their learned scale (design: section 3)."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.errors import InputError

__all__ = [
    "CRITICS", "Cosine", "Critic", "Dot", "NegativeL2", "NegativeSquaredL2", "as_scale", "check_rows",
    "represent", "squared_distances",
]  # fmt: skip

# From the gradient for the scores [*s, n, m] to those for x [*s, n, d] and y [*s, m, d].
Pulled = tuple[Tensor, Tensor]
Pull = Callable[[Tensor], Pulled]

# A matrix product loses about 2^-53 d of |x|^2 + |y|^2: below this share of it, distances are computed directly.
CANCELLATION = 1e-5
# A squared norm of a float32 row that is this far from one is looked at more closely.
UNSURE = 6 * 2.0**-24


def squared_distances(
    x: Float[Tensor, "*s n d"],
    y: Float[Tensor, "*s m d"],
    xx: Float[Tensor, "*s n"] | None = None,
    yy: Float[Tensor, "*s m"] | None = None,
) -> Float[Tensor, "*s n m"]:
    """|x_i - y_j|^2 through one matrix product, never negative; `xx` and `yy` are |x_i|^2 and |y_j|^2 if known."""
    xx = x.square().sum(-1) if xx is None else xx
    yy = y.square().sum(-1) if yy is None else yy
    return ((-2 * x) @ y.mT).add_(xx[..., :, None]).add_(yy[..., None, :]).clamp_min_(0)


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


def as_scale(scale: "float | Tensor") -> Tensor:
    """A scale as a tensor; a number in float64, whatever the process's default is."""
    return scale if isinstance(scale, Tensor) else torch.as_tensor(scale, dtype=torch.float64)


def _corrected(unit: Float[Tensor, "n d"], x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Rows of norm one made again in float64 where float32 has the norm wrong by more than chance would have it.

    The squares of a row that repeats itself round alike, and their sum by up to 2^-24 d: the first look adds them up
    as a tree, which does not, and lets through 5 times 2^-24; the second is exact.
    """
    unsure = ((unit.square().sum(-1) - 1).abs() > UNSURE).nonzero()[:, 0]
    if len(unsure):
        norms = torch.linalg.vector_norm(unit[unsure].double(), dim=-1)
        wrong = unsure[(norms - 1).abs() > 3 * 2.0**-24]
        if len(wrong):
            exact = x[wrong].double()
            unit = unit.index_copy(0, wrong, (exact / torch.linalg.vector_norm(exact, dim=-1, keepdim=True)).to(unit))
    return unit


@dataclass(frozen=True)
class Critic(ABC):
    """`f(x, y)`, an estimate of `log p(x, y) / (p(x) p(y))` up to a constant: `scale` times a similarity.

    `scale` is the inverse temperature the critic was trained with: a number, or a tensor that broadcasts over the
    leading dimensions (one scale per stacked model). There is no default: a score without its scale is another score.
    Where a similarity alone is wanted, `Cosine.similarity(x, y)` is it.
    """

    scale: float | Tensor
    name: ClassVar[str]

    def __post_init__(self) -> None:
        try:
            scale = as_scale(self.scale)
        except (TypeError, ValueError, RuntimeError):
            raise InputError(
                f"scale must be a number: got {self.scale!r}; give exp(logit_scale) of the model"
            ) from None
        if not bool(((scale > 0) & torch.isfinite(scale)).all()):
            raise InputError(f"scale must be positive and finite: got {self.scale}; give exp(logit_scale) of the model")

    @property
    def number(self) -> float:
        """The scale, if there is one, as a number."""
        return float(as_scale(self.scale).detach())

    def __call__(self, x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"]) -> Float[Tensor, "*s n m"]:
        """Score every row of `x` against every row of `y`."""
        scale = self.scale
        return self.similarity(x, y, scale[..., None, None] if isinstance(scale, Tensor) else scale)

    @classmethod
    def similarity(
        cls, x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"], scale: float | Tensor = 1.0
    ) -> Float[Tensor, "*s n m"]:
        """`scale` (positive, not checked) times the similarity."""
        scores: Tensor = _Similarity.apply(cls, x, y, scale)  # type: ignore[no-untyped-call]
        return scores

    @staticmethod
    @abstractmethod
    def vjp(
        x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"], scale: float | Tensor
    ) -> tuple[Float[Tensor, "*s n m"], Pull]:
        """`similarity`, and what pulls a gradient for it back to x and y: the vector-Jacobian product, written out.

        The scale enters where the numbers are few, in the rows. The gradient for it is the same for every critic: the
        scores are proportional to it.
        """

    @staticmethod
    def represent(x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """What `compare` compares: the part of the work that belongs to one side alone, done once."""
        return x

    @staticmethod
    def within_range(x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Rows that compare alike and whose squares stay within the range; differentiable."""
        return x

    @staticmethod
    @abstractmethod
    def compare(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], out: Tensor | None = None) -> Float[Tensor, "n m"]:
        """The similarity of represented rows, as exact as the precision allows; may use `out`; without gradients."""


class Cosine(Critic):
    """`scale * <x, y> / (|x| |y|)` (Assumption 3, Lemma 2)."""

    name = "cosine"

    @staticmethod
    def vjp(
        x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"], scale: float | Tensor
    ) -> tuple[Float[Tensor, "*s n m"], Pull]:
        norms = [torch.linalg.vector_norm(z, dim=-1, keepdim=True).clamp_min_(1e-12) for z in (x, y)]
        units = x / norms[0], y / norms[1]
        left, right = scale * units[0], units[1]

        def pull(gradient: Tensor) -> Pulled:
            for_units = scale * (gradient @ right), gradient.mT @ left
            for_x, for_y = (  # what points along a unit vector only changes its length
                torch.addcmul(g, unit, (g * unit).sum(-1, keepdim=True), value=-1).div_(norm)
                for g, unit, norm in zip(for_units, units, norms, strict=True)
            )
            return for_x, for_y

        return left @ right.mT, pull

    @staticmethod
    def represent(x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        norms = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        if bool(((norms < 1e-15) | (norms > 1e15)).any()):  # squares of such numbers may have left the range
            x = x / x.abs().amax(-1, keepdim=True)
            norms = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        unit = x / norms
        return unit if x.dtype == torch.float64 else _corrected(unit, x)

    @staticmethod
    def within_range(x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        largest = x.detach().abs().amax(-1, keepdim=True)
        far = ((largest < 1e-10) | (largest > 1e15)) & (largest > 0)
        return torch.where(far, x / largest, x) if bool(far.any()) else x

    @staticmethod
    def compare(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], out: Tensor | None = None) -> Float[Tensor, "n m"]:
        return dot_products(x, y, out)


class Dot(Critic):
    """`scale * <x, y>`."""

    name = "dot"

    @staticmethod
    def vjp(
        x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"], scale: float | Tensor
    ) -> tuple[Float[Tensor, "*s n m"], Pull]:
        left = scale * x
        return left @ y.mT, lambda gradient: (scale * (gradient @ y), gradient.mT @ left)

    @staticmethod
    def compare(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], out: Tensor | None = None) -> Float[Tensor, "n m"]:
        return dot_products(x, y, out)


class NegativeL2(Critic):
    """`-scale * |x - y|` (section 6.1)."""

    name = "l2"

    @staticmethod
    def vjp(
        x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"], scale: float | Tensor
    ) -> tuple[Float[Tensor, "*s n m"], Pull]:
        left, right = scale * x, scale * y
        squares = [side.square().sum(-1) for side in (left, right)]
        negative = squared_distances(left, right, *squares).sqrt_().neg_()

        def pull(gradient: Tensor) -> Pulled:
            # Where points meet, what is left of their distance is rounding: taken for no less, it pulls nowhere.
            type_, largest = torch.finfo(negative.dtype), squares[0].amax(-1) + squares[1].amax(-1)
            rounding = (type_.eps * largest).clamp_min_(type_.tiny).sqrt_()
            apart = torch.minimum(negative, -rounding[..., None, None])
            weights = torch.div(gradient, apart, out=apart)
            for_left = left * weights.sum(-1)[..., None] - weights @ right
            for_right = right * weights.sum(-2)[..., None] - weights.mT @ left
            return for_left.mul_(scale), for_right.mul_(scale)

        return negative, pull

    @staticmethod
    def compare(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], out: Tensor | None = None) -> Float[Tensor, "n m"]:
        return accurate_squared_distances(x, y).sqrt_().neg_()


class NegativeSquaredL2(Critic):
    """`-scale * |x - y|^2 / 2` (Lemma 3; the maze's energy)."""

    name = "squared_l2"

    @staticmethod
    def vjp(
        x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"], scale: float | Tensor
    ) -> tuple[Float[Tensor, "*s n m"], Pull]:
        root = (scale / 2) ** 0.5
        left, right = root * x, root * y

        def pull(gradient: Tensor) -> Pulled:
            for_left = gradient @ right - left * gradient.sum(-1)[..., None]
            for_right = gradient.mT @ left - right * gradient.sum(-2)[..., None]
            return 2 * root * for_left, 2 * root * for_right

        return -squared_distances(left, right), pull

    @staticmethod
    def compare(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], out: Tensor | None = None) -> Float[Tensor, "n m"]:
        return accurate_squared_distances(x, y).div_(-2)


class _Similarity(torch.autograd.Function):
    """A critic's vector-Jacobian product as autograd wants it."""

    @staticmethod
    def forward(ctx: Any, critic: type[Critic], x: Tensor, y: Tensor, scale: float | Tensor) -> Tensor:
        scores, ctx.pull = critic.vjp(x, y, scale)
        ctx.save_for_backward(*(t for t in (scores, scale) if isinstance(t, Tensor)))
        return scores.detach()  # not the tensor that `pull` may hold, which would then hold itself

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        scores, *scale = ctx.saved_tensors
        for_scale = (gradient * scores).sum_to_size(scale[0].shape) / scale[0] if ctx.needs_input_grad[3] else None
        return None, *ctx.pull(gradient), for_scale


def check_critic(critic: Any, name: str) -> None:
    """Raise unless `critic` is one, with one scale."""
    if not isinstance(critic, Critic):
        raise InputError(f"{name} must be a critic with its scale, as in Cosine(scale=100.0): got {described(critic)}")
    scales = as_scale(critic.scale).numel()
    if scales != 1:
        raise InputError(f"{name} must have one scale: got {scales}; use one bridge each")


def described(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"


CRITICS: dict[str, type[Critic]] = {c.name: c for c in (Cosine, Dot, NegativeL2, NegativeSquaredL2)}


def represent(critic: Critic, x: Tensor, name: str, unit: bool = False, first: int = 0) -> Tensor:
    """`critic.represent`, unless the rows already have norm one; raises as `check_rows` does."""
    check_rows(critic, x, name, unit, first)
    return x if unit else critic.represent(x)


def check_rows(critic: Critic, x: Tensor, name: str, unit: bool, first: int = 0) -> None:
    """Raise where the cosine critic finds a zero vector, or another critic rows that were brought to norm one."""
    if not isinstance(critic, Cosine):
        if unit:
            raise InputError(
                f"{name} was prepared for the cosine critic: got the {critic.name} critic; prepare it again"
            )
        return
    if not unit and not bool((torch.linalg.vector_norm(x, dim=1) > 0).all()) and bool((zero := ~x.any(1)).any()):
        row = first + int(zero.nonzero()[0, 0])
        raise InputError(f"{name} must hold no zero vector under the cosine critic: row {row} is zero; remove it")
