"""Contrastive losses."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.exponential import exp_

__all__ = ["info_nce"]


def info_nce(logits: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s"]:
    """Symmetrised InfoNCE in nats (section 3.2): mean of the two cross-entropies against the diagonal.

    `logits[..., i, j] = f(x_i, y_j)` with the positives on the diagonal; leading dimensions are separate batches.
    """
    loss: Tensor = _InfoNCE.apply(logits)  # type: ignore[no-untyped-call]
    return loss


class _InfoNCE(torch.autograd.Function):
    """The gradient, (softmax over rows + softmax over columns - 2 I) / 2n, is found on the way."""

    @staticmethod
    def forward(ctx: Any, logits: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s"]:
        rows, columns = torch.log_softmax(logits, -1), torch.log_softmax(logits, -2)
        positives = rows.diagonal(dim1=-2, dim2=-1) + columns.diagonal(dim1=-2, dim2=-1)
        slope = exp_(rows).add_(exp_(columns))
        slope.diagonal(dim1=-2, dim2=-1).sub_(2)
        ctx.save_for_backward(slope.div_(2 * logits.shape[-1]))
        return -positives.mean(-1) / 2

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Float[Tensor, "*s"]) -> Float[Tensor, "*s n n"]:
        (slope,) = ctx.saved_tensors
        return slope * gradient[..., None, None]
