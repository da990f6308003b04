"""Stacked layers against PyTorch's own, one model at a time."""

import torch
from torch import nn

from ucl.learning.encoders import StackedBatchNorm, StackedLinear, synthetic_encoder
from ucl.runtime import generator


def test_linear_is_one_linear_map_per_model() -> None:
    layer = StackedLinear([generator(s) for s in range(3)], 5, 4)
    x = torch.randn(3, 7, 5, generator=generator(9))
    for s in range(3):
        expected = nn.functional.linear(x[s], layer.weight[s].T, layer.bias[s, 0])
        assert torch.allclose(layer(x)[s], expected, atol=1e-6)
    assert layer.weight.abs().max() <= 5**-0.5
    assert layer.weight.abs().max() > 0.9 * 5**-0.5


def test_batch_norm_follows_torch_through_training_and_evaluation() -> None:
    stacked = StackedBatchNorm(2, 3)
    single = [nn.BatchNorm1d(3) for _ in range(2)]
    for step in range(5):
        x = torch.randn(2, 8, 3, generator=generator(step)) * 3 + 1
        together = stacked(x)
        for s in range(2):
            assert torch.allclose(together[s], single[s](x[s]), atol=1e-5)
    for s in range(2):
        assert torch.allclose(stacked.mean[s, 0], single[s].running_mean, atol=1e-5)
        assert torch.allclose(stacked.var[s, 0], single[s].running_var, atol=1e-5)
    stacked.eval()
    x = torch.randn(2, 8, 3, generator=generator(99))
    for s in range(2):
        assert torch.allclose(stacked(x)[s], single[s].eval()(x[s]), atol=1e-5)


def test_a_model_does_not_depend_on_its_neighbours() -> None:
    x = torch.randn(3, 16, 8, generator=generator(0))
    together = synthetic_encoder([generator(s) for s in range(3)], 8, 2)(x)
    alone = synthetic_encoder([generator(1)], 8, 2)(x[1:2])
    assert torch.allclose(together[1], alone[0], atol=1e-6)
