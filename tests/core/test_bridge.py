"""The bridge against float64 broadcasting: every kind of bank, critic and input."""

import numpy as np
import pytest
import torch
from bridge_oracle import draw, similarity, truth

from ucl import (
    Bank,
    Bridge,
    BridgeResult,
    Candidates,
    Cosine,
    Dot,
    InputError,
    NegativeL2,
    NegativeSquaredL2,
    log_sum_exp_scores,
    merge,
)


@pytest.mark.parametrize("kind", [Cosine, Dot, NegativeL2, NegativeSquaredL2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scores_equal_float64_broadcasting(kind, dtype) -> None:
    a, c, b1, b2 = draw(7, 5).to(dtype), draw(9, 3, seed=1).to(dtype), draw(300, 5, seed=2), draw(300, 3, seed=3)
    ab, bc = kind(20.0), kind(3.0)
    result = Bridge(ab, bc, Bank(b1, b2), normalize=False).score(a, c)
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
    result = Bridge(Cosine(8.0), Cosine(5.0), Bank(b), normalize=False).score(a, c)
    w = (similarity(Cosine(8.0), a, b)[:, None] + similarity(Cosine(5.0), c, b)[None]).exp()
    assert torch.allclose(result.effective_sample_size, w.sum(-1).square() / w.square().sum(-1))
    assert torch.allclose(result.standard_error, w.std(-1) / w.mean(-1) / 200**0.5)


def test_numpy_in_numpy_out_and_tensors_likewise() -> None:
    a, c, b = draw(4, 6), draw(5, 6, seed=1), draw(50, 6, seed=2)
    bridge = Bridge(Cosine(8.0), Cosine(5.0), Bank(b.numpy()), normalize=False)
    result = bridge.score(a.numpy().astype(np.float32), c.numpy().astype(np.float32))
    assert isinstance(result.scores, np.ndarray)
    assert result.scores.dtype == np.float32
    assert isinstance(bridge.score(a, c).scores, torch.Tensor)


def test_black_box_scores_equal_the_bridge() -> None:
    a, c, b = draw(4, 6), draw(5, 6, seed=1), draw(50, 6, seed=2)
    s, t = similarity(Cosine(80.0), a, b), similarity(Cosine(50.0), c, b)
    scores = log_sum_exp_scores(s.numpy(), t.numpy())
    assert np.allclose(
        scores, Bridge(Cosine(80.0), Cosine(50.0), Bank(b), normalize=False).score(a, c).scores.numpy(), atol=1e-11
    )


def test_retrieve_equals_sorting_the_grid(monkeypatch) -> None:
    monkeypatch.setattr("ucl.core.bridge.TILE", 40)
    a, c, b = draw(30, 6), draw(500, 6, seed=1), draw(50, 6, seed=2)
    bridge = Bridge(Cosine(8.0), Cosine(5.0), Bank(b), normalize=False)
    found = bridge.retrieve(a, c, k=7)
    scores, indices = bridge.score(a, c).scores.topk(7)
    assert torch.equal(found.indices, indices)
    assert torch.allclose(found.scores, scores)


def test_direct_is_the_critic_where_spaces_agree() -> None:
    a, c, b = draw(4, 6), draw(5, 6, seed=1), draw(50, 6, seed=2)
    assert torch.allclose(
        Bridge(Cosine(8.0), Cosine(5.0), Bank(b), normalize=False).direct(a, c),
        similarity(Cosine(8.0), a, c),
        atol=1e-12,
    )
    with pytest.raises(InputError, match="two embeddings of B"):
        Bridge(Cosine(8.0), Cosine(5.0), Bank(b, b + 1), normalize=False).direct(a, c)
    with pytest.raises(InputError, match="cosine and dot"):
        Bridge(Cosine(8.0), Dot(5.0), Bank(b), normalize=False).direct(a, c)


@pytest.mark.parametrize("kind", [Cosine, Dot, NegativeL2, NegativeSquaredL2])
@pytest.mark.parametrize("normalize", [False, True])
def test_gradients_equal_autograd_through_the_broadcast(kind, normalize) -> None:
    def leaves() -> list[torch.Tensor]:
        values = [draw(4, 6), draw(5, 3, seed=1), draw(40, 6, seed=2), draw(40, 3, seed=3)]
        values += [torch.tensor(7.0, dtype=torch.float64), torch.tensor(3.0, dtype=torch.float64)]
        return [value.requires_grad_() for value in values]

    weights = draw(4, 5, seed=9)
    a, c, b1, b2, s1, s2 = ours = leaves()
    result = Bridge(kind(s1), kind(s2), Bank(b1, b2), normalize=normalize).score(a, c)
    (result.scores * weights).sum().backward()
    a, c, b1, b2, s1, s2 = theirs = leaves()
    s, t = kind(s1)(a, b1), kind(s2)(c, b2)
    expected = torch.logsumexp(s[:, None] + t[None], -1) - np.log(40)
    if normalize:
        expected = expected - (s.logsumexp(1) - np.log(40))[:, None] - (t.logsumexp(1) - np.log(40))
    (expected * weights).sum().backward()
    for x, y in zip(ours, theirs, strict=True):
        assert torch.allclose(x.grad, y.grad, rtol=1e-10, atol=1e-12)


def test_gradients_survive_scores_far_below_the_maxima() -> None:
    """Antipodal anchors at scale 2,000: exp(p + q - L) is beyond float64."""
    a, b = torch.eye(2, dtype=torch.float64), torch.tensor([[1.0, 0.1], [-1.0, 0.1]], dtype=torch.float64)
    x, y = a[:1].clone().requires_grad_(), (-a[:1]).requires_grad_()
    Bridge(Cosine(2000.0), Cosine(2000.0), Bank(b), normalize=False).score(x, y).scores.sum().backward()
    u, v = a[:1].clone().requires_grad_(), (-a[:1]).requires_grad_()
    torch.logsumexp(Cosine(2000.0)(u, b) + Cosine(2000.0)(v, b), 1).sum().backward()
    assert torch.allclose(x.grad, u.grad)
    assert torch.allclose(y.grad, v.grad)


def test_black_box_gradients() -> None:
    s, t = draw(3, 30).requires_grad_(), draw(4, 30, seed=1).requires_grad_()
    ours = torch.autograd.grad(log_sum_exp_scores(s, t).square().sum(), (s, t))
    expected = torch.logsumexp(s[:, None] + t[None], -1) - np.log(30)
    for x, y in zip(ours, torch.autograd.grad(expected.square().sum(), (s, t)), strict=True):
        assert torch.allclose(x, y)


def test_normalised_standard_error_is_the_spread_over_banks() -> None:
    """Against the scatter of the score over many independent banks: the delta method, checked by simulation."""
    a, c, banks = draw(1, 3), draw(1, 3, seed=1), draw(4000, 500, 3, seed=2)
    scores = []
    for bank in banks:
        s, t = similarity(Cosine(2.0), a, bank)[0], similarity(Cosine(3.0), c, bank)[0]
        scores.append((s + t).exp().mean().log() - s.exp().mean().log() - t.exp().mean().log())
    result = Bridge(Cosine(2.0), Cosine(3.0), Bank(banks[:200].reshape(-1, 3)), normalize=True).score(a, c)
    spread = torch.stack(scores).std()
    assert float(result.standard_error) * 200**0.5 == pytest.approx(float(spread), rel=0.05)


@pytest.mark.parametrize("normalize", [False, True])
def test_merged_shards_equal_the_whole_bank(tmp_path, normalize) -> None:
    a, c, b1, b2 = draw(4, 6), draw(5, 3, seed=1), draw(101, 6, seed=2), draw(101, 3, seed=3)
    bank = Bank(b1, b2)
    whole = Bridge(Cosine(40.0), Cosine(7.0), bank, normalize=normalize).score(a, c)
    parts = []
    for i in range(3):
        part = Bridge(Cosine(40.0), Cosine(7.0), bank.shard(i, 3), normalize=normalize).score(a, c)
        part.save(tmp_path / f"{i}.safetensors")
        parts.append(BridgeResult.load(tmp_path / f"{i}.safetensors"))
    merged = merge(parts)
    assert torch.allclose(merged.scores, whole.scores, atol=1e-12)
    assert torch.allclose(merged.standard_error, whole.standard_error, rtol=1e-9)
    assert torch.allclose(merged.effective_sample_size, whole.effective_sample_size, rtol=1e-9)


@pytest.mark.parametrize("shared", [False, True])
def test_a_prepared_bank_answers_alike(tmp_path, shared) -> None:
    a, c, b1 = draw(4, 6), draw(5, 6, seed=1), draw(5000, 6, seed=2)
    bank = Bank(b1) if shared else Bank(b1, draw(5000, 6, seed=3))
    ab, bc = Cosine(40.0), Cosine(7.0)
    expected = Bridge(ab, bc, bank, normalize=False).score(a, c)
    for prepared in (bank.prepare(ab, bc), bank.prepare(ab, bc, tmp_path / "bank"), Bank.load(tmp_path / "bank")):
        assert prepared.shared == shared
        bridge = Bridge(ab, bc, prepared, normalize=False)
        result = bridge.score(a, c)
        assert torch.allclose(result.scores, expected.scores, atol=1e-11)
        assert torch.allclose(result.standard_error, expected.standard_error, rtol=1e-8)
        ready = bridge.prepare(c)
        ready.save(tmp_path / "ready.safetensors")
        for candidates in (ready, Candidates.load(tmp_path / "ready.safetensors")):
            assert torch.allclose(bridge.score(a, candidates).scores, expected.scores, atol=1e-11)
        assert torch.equal(bridge.retrieve(a, ready, k=2).indices, expected.scores.topk(2).indices)
        with pytest.raises(InputError, match="another bridge"):
            Bridge(ab, Cosine(8.0), prepared, normalize=False).score(a, ready)
    with pytest.raises(InputError, match="prepared for the cosine critic"):
        Bridge(Dot(1.0), Dot(1.0), prepared, normalize=False).score(a, c)


@pytest.mark.parametrize("scales", [(100.0, 0.01), (1e-4, 100.0), (0.001, 0.001)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_small_standard_error_is_not_the_rounding_of_what_it_is_left_of(scales, dtype) -> None:
    """As a difference of sums it was 0 here, or fourteen times too large: where a temperature is taken for a scale."""
    a, c, b1, b2 = draw(4, 8), draw(5, 8, seed=1), draw(300, 8, seed=2), draw(300, 8, seed=3)
    a, c, b1, b2 = (x.float().double() for x in (a, c, b1, b2))
    ab, bc = (Cosine(scale) for scale in scales)
    u, v = similarity(ab, a, b1).softmax(1) * 300, similarity(bc, c, b2).softmax(1) * 300
    x = (similarity(ab, a, b1)[:, None] + similarity(bc, c, b2)).softmax(2) * 300
    expected = ((x - u[:, None] - v + 1).square().mean(2) / 299).sqrt()
    inputs = [x.to(getattr(torch, dtype)) for x in (a, c, b1, b2)]
    whole = Bank(*inputs[2:])
    found = Bridge(ab, bc, whole).score(*inputs[:2]).standard_error.double()
    assert torch.allclose(found, expected, rtol=1e-4)
    merged = merge([Bridge(ab, bc, whole.shard(i, 2)).score(*inputs[:2]) for i in range(2)]).standard_error.double()
    known = ~merged.isnan()  # without a bank to ask, what rounding hides is not told
    assert torch.allclose(merged[known], expected[known], rtol=1e-2)


def test_weighted_errors_below_rounding_are_those_of_the_repeated_bank() -> None:
    a, c, b1, b2 = draw(4, 8), draw(5, 8, seed=1), draw(60, 8, seed=2), draw(60, 8, seed=3)
    times = torch.arange(60) % 3 + 1
    whole = Bank(b1.repeat_interleave(times, 0), b2.repeat_interleave(times, 0))
    ab, bc = Cosine(1e-4), Cosine(1e-4)
    one = Bridge(ab, bc, Bank(b1, b2, weights=times)).score(a, c).standard_error
    assert torch.allclose(one, Bridge(ab, bc, whole).score(a, c).standard_error, rtol=1e-4)
