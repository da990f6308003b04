"""exp without its slow path: NumPy's where nothing underflows, the floor elsewhere."""

import numpy as np
import pytest
import torch

from ucl.core.exponential import exp_, log_sum_exp
from ucl.runtime import generator


@pytest.mark.parametrize(("dtype", "normal"), [(torch.float32, -87.2), (torch.float64, -708.2)])
def test_exp_is_numpys_and_never_underflows(dtype: torch.dtype, normal: float) -> None:
    x = torch.cat([torch.linspace(normal, 3, 1000), torch.tensor([10 * normal, 1e4 * normal, -torch.inf])]).to(dtype)
    found = exp_(x.clone())
    np.testing.assert_allclose(found[:1000], np.exp(x[:1000].numpy()), rtol=1e-6)
    smallest = torch.finfo(dtype).tiny
    assert bool(((found[1000:] >= smallest) & (found[1000:] <= 1.2 * smallest)).all())


def test_log_sum_exp_is_torchs() -> None:
    for spread in (1.0, 300.0):
        x = spread * torch.randn(3, 4, 50, generator=generator(0)) + 1000
        kept = x.clone()
        torch.testing.assert_close(log_sum_exp(x), torch.logsumexp(x.double(), -1).float())
        assert torch.equal(x, kept)


def test_exp_works_in_place() -> None:
    x = torch.zeros(3)
    assert exp_(x).data_ptr() == x.data_ptr()
