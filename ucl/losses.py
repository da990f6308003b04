"""Contrastive losses."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["info_nce"]


def info_nce(logits: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s"]:
    """Symmetrised InfoNCE in nats (section 3.2): mean of the two cross-entropies against the diagonal.

    `logits[..., i, j] = f(x_i, y_j)` with the positives on the diagonal; leading dimensions are separate batches.
    """
    positives = logits.diagonal(dim1=-2, dim2=-1)
    rows = torch.logsumexp(logits, dim=-1)
    columns = torch.logsumexp(logits, dim=-2)
    return ((rows + columns) / 2 - positives).mean(-1)
