"""The bridge by broadcasting in float64: what its tests compare with."""

import os

import numpy as np
import torch

from ucl.core.critics import Critic

# Where hard banks are scored: `UCL_TEST_DEVICE=cuda pytest tests/core/test_hard_banks.py tests/test_on_a_gpu.py`.
DEVICE = os.environ.get("UCL_TEST_DEVICE", "cpu")


TOLERANCE = {torch.float32: 5e-7, torch.float64: 1e-12}  # of an answer, times `largest`


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def similarity(critic: Critic, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """An independent reading of the definitions, by broadcasting in float64."""
    x, y = x.double(), y.double()
    if critic.name in ("cosine", "dot"):
        if critic.name == "cosine":
            x, y = (v / v.abs().amax(-1, keepdim=True) for v in (x, y))
            x, y = (v / v.square().sum(-1, keepdim=True).sqrt() for v in (x, y))
        return critic.scale * torch.einsum("nd,md->nm", x, y)
    squares = (x[:, None] - y[None]).square().sum(-1)
    return -critic.scale * (squares.sqrt() if critic.name == "l2" else squares / 2)


def truth(ab: Critic, bc: Critic, a, c, bank_a, bank_c) -> torch.Tensor:
    s, t = similarity(ab, a, bank_a), similarity(bc, c, bank_c)
    return torch.logsumexp(s[:, None] + t[None], -1) - np.log(len(bank_a))


def largest(ab: Critic, bc: Critic, a, c, bank_a, bank_c) -> float:
    """What stated errors are relative to: the scales of cosine critics, else the largest score; at least one."""
    if ab.name == bc.name == "cosine":
        return float(ab.scale + bc.scale)
    return max(1.0, float((similarity(ab, a, bank_a)[:, None] + similarity(bc, c, bank_c)[None]).abs().max()))
