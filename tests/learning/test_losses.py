"""InfoNCE against PyTorch's own cross-entropy and finite differences."""

import torch
from torch.nn.functional import cross_entropy

from ucl.learning.losses import info_nce


def test_is_the_mean_of_two_cross_entropies() -> None:
    logits = torch.randn(3, 7, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.arange(7)
    for batch, loss in zip(logits, info_nce(logits), strict=True):
        expected = (cross_entropy(batch, labels) + cross_entropy(batch.T, labels)) / 2
        assert torch.isclose(loss, expected, rtol=1e-12)


def test_gradient_matches_finite_differences() -> None:
    logits = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(info_nce, (logits,))


def test_is_log_n_where_nothing_is_known() -> None:
    assert torch.isclose(info_nce(torch.zeros(1, 32, 32)), torch.tensor(32.0).log())
