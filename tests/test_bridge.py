"""The bridge against float64 broadcasting: every kind of bank, critic and input."""

import numpy as np
import pytest
import torch

from ucl import Bank, Bridge, Cosine, Dot, InputError, NegativeL2, NegativeSquaredL2, log_sum_exp_scores
from ucl.critics import Critic


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def similarity(critic: Critic, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """An independent reading of the definitions, by broadcasting in float64."""
    x, y = x.double()[:, None], y.double()[None]
    if critic.name in ("cosine", "dot"):
        if critic.name == "cosine":
            x, y = (v / v.abs().amax(-1, keepdim=True) for v in (x, y))
            x, y = (v / v.square().sum(-1, keepdim=True).sqrt() for v in (x, y))
        return critic.scale * (x * y).sum(-1)
    squares = (x - y).square().sum(-1)
    return -critic.scale * (squares.sqrt() if critic.name == "l2" else squares / 2)


def truth(ab: Critic, bc: Critic, a, c, bank_a, bank_c) -> torch.Tensor:
    s, t = similarity(ab, a, bank_a), similarity(bc, c, bank_c)
    return torch.logsumexp(s[:, None] + t[None], -1) - np.log(len(bank_a))


@pytest.mark.parametrize("kind", [Cosine, Dot, NegativeL2, NegativeSquaredL2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scores_equal_float64_broadcasting(kind, dtype) -> None:
    a, c, b1, b2 = draw(7, 5).to(dtype), draw(9, 3, seed=1).to(dtype), draw(300, 5, seed=2), draw(300, 3, seed=3)
    ab, bc = kind(20.0), kind(3.0)
    result = Bridge(ab, bc, Bank(b1, b2)).score(a, c)
    expected = truth(ab, bc, a, c, b1, b2)
    largest = similarity(ab, a, b1).abs().max() + similarity(bc, c, b2).abs().max()
    assert result.scores.dtype == dtype
    tolerance = (5e-7 if dtype == torch.float32 else 1e-12) * float(largest)
    assert (result.scores.double() - expected).abs().max() <= tolerance


def test_normalised_scores_average_to_one_over_the_bank() -> None:
    """With the bank's own samples as the only A's, the ratio p(b|a)/p(b) averages to one (design: section 3)."""
    a, c, b = draw(4, 6), draw(5, 6, seed=1), draw(200, 6, seed=2)
    result = Bridge(Cosine(8.0), Cosine(5.0), Bank(b), normalize=True).score(a, c)
    s, t = similarity(Cosine(8.0), a, b), similarity(Cosine(5.0), c, b)
    ratio_a, ratio_c = (200 * torch.softmax(v, 1) for v in (s, t))
    assert torch.allclose(result.scores, torch.log(ratio_a @ ratio_c.T / 200), atol=1e-12)


def test_uncertainty_equals_its_definition() -> None:
    a, c, b = draw(4, 6), draw(5, 6, seed=1), draw(200, 6, seed=2)
    result = Bridge(Cosine(8.0), Cosine(5.0), Bank(b)).score(a, c)
    w = (similarity(Cosine(8.0), a, b)[:, None] + similarity(Cosine(5.0), c, b)[None]).exp()
    assert torch.allclose(result.effective_sample_size, w.sum(-1).square() / w.square().sum(-1))
    assert torch.allclose(result.standard_error, w.std(-1) / w.mean(-1) / 200**0.5)


def test_numpy_in_numpy_out_and_tensors_likewise() -> None:
    a, c, b = draw(4, 6), draw(5, 6, seed=1), draw(50, 6, seed=2)
    bridge = Bridge(Cosine(8.0), Cosine(5.0), Bank(b.numpy()))
    result = bridge.score(a.numpy().astype(np.float32), c.numpy().astype(np.float32))
    assert isinstance(result.scores, np.ndarray)
    assert result.scores.dtype == np.float32
    assert isinstance(bridge.score(a, c).scores, torch.Tensor)


def test_black_box_scores_equal_the_bridge() -> None:
    a, c, b = draw(4, 6), draw(5, 6, seed=1), draw(50, 6, seed=2)
    s, t = similarity(Cosine(80.0), a, b), similarity(Cosine(50.0), c, b)
    scores = log_sum_exp_scores(s.numpy(), t.numpy())
    assert np.allclose(scores, Bridge(Cosine(80.0), Cosine(50.0), Bank(b)).score(a, c).scores.numpy(), atol=1e-11)


def test_retrieve_equals_sorting_the_grid(monkeypatch) -> None:
    monkeypatch.setattr("ucl.bridge.TILE", 40)
    a, c, b = draw(30, 6), draw(500, 6, seed=1), draw(50, 6, seed=2)
    bridge = Bridge(Cosine(8.0), Cosine(5.0), Bank(b))
    found = bridge.retrieve(a, c, k=7)
    scores, indices = bridge.score(a, c).scores.topk(7)
    assert torch.equal(found.indices, indices)
    assert torch.allclose(found.scores, scores)


def test_direct_is_the_critic_where_spaces_agree() -> None:
    a, c, b = draw(4, 6), draw(5, 6, seed=1), draw(50, 6, seed=2)
    assert torch.allclose(
        Bridge(Cosine(8.0), Cosine(5.0), Bank(b)).direct(a, c), similarity(Cosine(8.0), a, c), atol=1e-12
    )
    with pytest.raises(InputError, match="two embeddings of B"):
        Bridge(Cosine(8.0), Cosine(5.0), Bank(b, b + 1)).direct(a, c)
    with pytest.raises(InputError, match="cosine and dot"):
        Bridge(Cosine(8.0), Dot(5.0), Bank(b)).direct(a, c)
