"""Objectives of contrastive reinforcement learning beside InfoNCE."""

import math

from jaxtyping import Float
from torch import Tensor, nn

from ucl.learning.losses import info_nce

__all__ = ["binary_nce", "info_nce_penalised"]


def binary_nce(logits: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s"]:
    """Logistic loss in nats of telling pairs (the diagonal) from mismatched ones, both equally likely.

    Least where f is log p(x, y) / (p(x) p(y)), without a free constant (slides; Gutmann and Hyvaerinen 2010).
    """
    n = logits.shape[-1]
    diagonal = logits.diagonal(dim1=-2, dim2=-1)
    noise = nn.functional.softplus(logits).sum((-2, -1)) - nn.functional.softplus(diagonal).sum(-1)
    return nn.functional.softplus(-diagonal).mean(-1) + noise / (n * (n - 1))


def info_nce_penalised(logits: Float[Tensor, "*s n n"], weight: float) -> Float[Tensor, "*s"]:
    """Symmetrised InfoNCE plus `weight` times the mean squared log-mean-exp of the rows.

    The penalty that contrastive RL codes add (Eysenbach et al. 2022, Bortkiewicz et al. 2024): it takes away the
    constant that InfoNCE leaves free. The mean in place of their sum makes that constant the one of a density ratio.
    """
    level = logits.logsumexp(-1) - math.log(logits.shape[-1])
    return info_nce(logits) + weight * level.square().mean(-1)
