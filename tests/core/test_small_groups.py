"""The fast LogSumExp of small grids against the broadcast one in float64, easy and hopeless scores alike."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ucl.core.small_groups import log_sums_of_group
from ucl.runtime import generator


@given(st.integers(0, 10_000), st.sampled_from([0.1, 1.0, 30.0, 1000.0]), st.integers(1, 200))
def test_against_broadcast_float64(seed: int, spread: float, bank: int) -> None:
    g = generator(seed)
    s, t = (torch.randn(n, bank, generator=g) * spread for n in (5, 4))
    sums = log_sums_of_group(s, t)
    exact = torch.logsumexp(s.double()[:, None] + t.double()[None], -1)
    tolerance = 2e-6 * float(s.abs().max() + t.abs().max()) + 3e-6
    assert torch.allclose(sums.pairs.double(), exact, rtol=0, atol=tolerance)
    assert torch.allclose(sums.rows.double(), torch.logsumexp(s.double(), 1), rtol=0, atol=tolerance)
    assert torch.allclose(sums.columns.double(), torch.logsumexp(t.double(), 1), rtol=0, atol=tolerance)


def test_no_sample_is_near_both_maxima() -> None:
    """The product of factors underflows in float32; the sum must still be right."""
    s, t = torch.tensor([[0.0, -150.0]]), torch.tensor([[-150.0, 0.0]])
    assert log_sums_of_group(s, t).pairs.item() == pytest.approx(-150 + 0.6931472, abs=1e-4)
