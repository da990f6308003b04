"""Contrastive losses."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.exponential import exp_

__all__ = ["info_nce", "info_nce_with_slope"]


def info_nce(logits: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s"]:
    """Symmetrised InfoNCE in nats (section 3.2): mean of the two cross-entropies against the diagonal.

    `logits[..., i, j] = f(x_i, y_j)` with the positives on the diagonal; leading dimensions are separate batches.
    """
    loss: Tensor = _InfoNCE.apply(logits)  # type: ignore[no-untyped-call]
    return loss


def info_nce_with_slope(logits: Float[Tensor, "*s n n"]) -> tuple[Float[Tensor, "*s"], Float[Tensor, "*s n n"]]:
    """`info_nce` and its gradient, (softmax over rows + softmax over columns - 2 I) / 2n, found on the way."""
    rows, columns = torch.log_softmax(logits, -1), torch.log_softmax(logits, -2)
    positives = rows.diagonal(dim1=-2, dim2=-1) + columns.diagonal(dim1=-2, dim2=-1)
    slope = exp_(rows).add_(exp_(columns))
    slope.diagonal(dim1=-2, dim2=-1).sub_(2)
    return -positives.mean(-1) / 2, slope.div_(2 * logits.shape[-1])


class _InfoNCE(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s"]:
        losses, slope = info_nce_with_slope(logits)
        ctx.save_for_backward(slope)
        return losses

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Float[Tensor, "*s"]) -> Float[Tensor, "*s n n"]:
        (slope,) = ctx.saved_tensors
        return slope * gradient[..., None, None]
