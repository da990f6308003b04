"""A critic that measures ways: minus a distance that need not be the same there and back."""

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.critics import CRITICS, Critic, NegativeL2, Pull, Pulled

__all__ = ["MAZE_CRITICS", "NegativeMRN"]


class NegativeMRN(Critic):
    """`-scale * d(x, y)`, d the metric residual network's quasimetric (Liu et al. 2023).

    The Euclidean distance over the first half of the dimensions, plus the largest fall from x to y, if any, over the
    others. d(x, x) = 0 and d(x, z) <= d(x, y) + d(y, z) whatever the representations; d(x, y) is not d(y, x).
    """

    name = "mrn"

    @staticmethod
    def vjp(
        x: Float[Tensor, "*s n d"], y: Float[Tensor, "*s m d"], scale: float | Tensor
    ) -> tuple[Float[Tensor, "*s n m"], Pull]:
        half = x.shape[-1] // 2
        there_and_back, pull_both = NegativeL2.vjp(x[..., :half], y[..., :half], scale)
        top, where = _falls(x[..., half:], y[..., half:]).max(-1)
        one_way = -scale * top.clamp_min(0)

        def pull(gradient: Tensor) -> Pulled:
            weights = torch.where(top > 0, -scale * gradient, torch.zeros(()))
            spread = gradient.new_zeros((*top.shape, x.shape[-1] - half)).scatter_(
                -1, where[..., None], weights[..., None]
            )
            for_x, for_y = pull_both(gradient)
            return torch.cat([for_x, spread.sum(-2)], -1), torch.cat([for_y, -spread.sum(-3)], -1)

        return there_and_back + one_way, pull

    @staticmethod
    def compare(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], out: Tensor | None = None) -> Float[Tensor, "n m"]:
        half = x.shape[-1] // 2
        fall = _falls(x[:, half:], y[:, half:]).amax(-1).clamp_min(0)
        return NegativeL2.compare(x[:, :half].contiguous(), y[:, :half].contiguous()) - fall


def _falls(x: Float[Tensor, "*s n k"], y: Float[Tensor, "*s m k"]) -> Float[Tensor, "*s n m k"]:
    return x[..., :, None, :] - y[..., None, :, :]


MAZE_CRITICS: dict[str, type[Critic]] = {**CRITICS, NegativeMRN.name: NegativeMRN}
