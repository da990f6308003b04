"""What answers are worth: against brute force over the bank, and the rule against its definition."""

import numpy as np
import pytest
import torch
from bridge_oracle import draw, similarity

from ucl import Bank, Bridge, BridgeResult, Cosine, Dot, InputError, NegativeL2, merge
from ucl.core.pareto import pareto_shape
from ucl.core.reliability import FEWEST, FlatBankWarning, ThinBankWarning, highest_shape


def sound(log_weights: torch.Tensor) -> torch.Tensor:
    """The rule, written out over the whole bank of fewer samples than fill a tail."""
    w = torch.softmax(log_weights, -1)
    enough = 1 / w.square().sum(-1) >= FEWEST
    return enough & (pareto_shape(log_weights) <= highest_shape(log_weights.shape[-1]))


def worlds() -> tuple[torch.Tensor, ...]:
    return draw(9, 4), 1.5 * draw(40, 4, seed=1), draw(900, 4, seed=2), draw(900, 4, seed=3)


@pytest.mark.filterwarnings("ignore::ucl.FlatBankWarning")  # a scale of 3 in four dimensions
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_what_an_answer_is_worth_is_what_the_grid_says(monkeypatch, normalize, weighted) -> None:
    monkeypatch.setattr("ucl.core.bridge.TILE", 100)
    monkeypatch.setattr("ucl.core.reliability.CHUNK", 3000)
    a, c, b1, b2 = worlds()
    weights = draw(900, seed=5).abs() + 0.1 if weighted else None
    bridge = Bridge(Cosine(3.0), NegativeL2(1.5), Bank(b1, b2, weights=weights), normalize=normalize)
    found, whole = bridge.retrieve(a, c, k=6, progress=False), bridge.score(a, c, progress=False)
    for ours, theirs in (
        (found.standard_errors, whole.standard_error),
        (found.effective_samples, whole.effective_sample_size),
        (found.reliable, whole.reliable),
    ):
        assert torch.allclose(ours.double(), theirs.gather(1, found.indices).double(), rtol=1e-9)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_reliable_is_its_definition(normalize, weighted) -> None:
    a, c, b1, b2 = worlds()
    weights = draw(900, seed=5).abs() + 0.1 if weighted else torch.ones(900)
    ab, bc = Cosine(4.0), NegativeL2(2.0)
    bank = Bank(b1, b2, weights=weights if weighted else None)
    s, t = similarity(ab, a, b1) + weights.log().double(), similarity(bc, c, b2)
    expected = sound(s[:, None] + t[None])
    if normalize:
        expected &= sound(s)[:, None] & sound(t + weights.log().double())
    result = Bridge(ab, bc, bank, normalize=normalize).score(a, c, progress=False)
    assert torch.equal(result.reliable, expected)
    assert 0 < expected.double().mean() < 1
    parts = [Bridge(ab, bc, bank.shard(i, 3), normalize=normalize).score(a, c, progress=False) for i in range(3)]
    assert torch.equal(merge(parts).reliable, expected)


def test_a_loaded_result_says_what_it_does_not_know(tmp_path) -> None:
    a, c, b1, b2 = worlds()
    Bridge(Cosine(1.0), Cosine(1.0), Bank(b1, b2), normalize=False).score(a, c, progress=False).save(
        tmp_path / "r.safetensors"
    )
    with pytest.raises(InputError, match="ask for `reliable` before saving"):
        _ = BridgeResult.load(tmp_path / "r.safetensors").reliable


def test_thin_answers_are_told_once() -> None:
    a, c, b1, b2 = worlds()
    bridge = Bridge(Cosine(900.0), Cosine(900.0), Bank(b1, b2), normalize=False)
    with pytest.warns(ThinBankWarning, match="rest on one sample"):
        found = bridge.retrieve(a, c, k=3, progress=False)
    assert not found.reliable.any()
    bridge.retrieve(a, c, k=3, progress=False)  # warnings are errors here


def narrow(n: int, d: int, seed: int) -> torch.Tensor:
    """Embeddings in a cone, as those of CLIP are: cosines about .5, spread by less than .1."""
    return 1 + draw(n, d, seed=seed)


def test_the_logarithm_of_a_scale_is_told_once() -> None:
    a, c, b1, b2 = narrow(9, 64, 0), narrow(40, 64, 1), narrow(300, 64, 2), narrow(300, 64, 3)
    for scales, told in (((4.6, 30.0), "4.6 the ab critic .*, give 99.4"), ((30.0, 3.0), "3 the bc critic .* of C")):
        bridge = Bridge(*map(Cosine, scales), Bank(b1, b2))
        with pytest.warns(FlatBankWarning, match=told):
            bridge.retrieve(a, c, k=3, progress=False)
        bridge.retrieve(a, c, k=3, progress=False)  # warnings are errors here
        with pytest.warns(FlatBankWarning, match=told):
            assert bridge.score(a, c, progress=False).reliable.shape == (9, 40)
        shards = [Bridge(*map(Cosine, scales), Bank(b1, b2).shard(i, 2)).score(a, c) for i in range(2)]
        with pytest.warns(FlatBankWarning, match=told):
            assert merge(shards).warn_if_flat()


def test_no_scale_that_says_a_bit_is_called_a_logarithm() -> None:
    """Small scales that tell samples apart, other critics, large scales and small banks: nothing is said."""
    a, c, b1, b2 = worlds()
    for ab, bank in (
        (Cosine(4.6), Bank(b1, b2)),  # 4 dimensions, all directions
        (NegativeL2(0.1), Bank(b1, b2)),
        (Cosine(4.6), Bank(narrow(39, 4, 0), b2[:39])),
        (Cosine(7.5), Bank(1e3 + b1, b2)),
    ):
        bridge = Bridge(ab, NegativeL2(2.0), bank)
        bridge.retrieve(a, c, k=3, progress=False)  # warnings are errors here
        assert not bridge.score(a, c, progress=False).warn_if_flat()


def test_numpy_in_numpy_out_and_a_few_samples_are_never_reliable() -> None:
    a, c, b1, b2 = (x.numpy() for x in worlds())
    found = Bridge(Cosine(0.1), Cosine(0.1), Bank(b1[:18], b2[:18]), normalize=False).retrieve(
        a, c, k=2, progress=False
    )
    for value in (found.indices, found.scores, found.standard_errors, found.effective_samples, found.reliable):
        assert isinstance(value, np.ndarray)
        assert value.shape == (9, 2)
    assert found.reliable.dtype == bool
    assert not found.reliable.any()
    assert repr(found) == "Retrieval(2 best candidates of 9 queries, 0% of answers reliable)"


@pytest.mark.parametrize("normalize", [False, True])
def test_where_no_answer_rests_on_enough_none_is_reliable(normalize) -> None:
    a, c, b1, b2 = worlds()
    bridge = Bridge(NegativeL2(60.0), NegativeL2(60.0), Bank(b1, b2), normalize=normalize)
    found = bridge.score(a, c, progress=False)
    with pytest.warns(ThinBankWarning):
        assert not found.reliable.any()


@pytest.mark.filterwarnings("ignore::ucl.core.reliability.ThinBankWarning")
@pytest.mark.parametrize(
    ("ab", "bc", "far"),
    [(Cosine(100.0), Cosine(1e-5), 0.0), (Cosine(100.0), Cosine(0.01), 0.0), (Dot(30.0), Dot(1e-5), 300.0)],
)
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_errors_are_not_those_of_rounded_means(ab, bc, far, normalize, weighted) -> None:
    """Means taken from scores in float32 moved the errors of `retrieve` by a factor; large log sums those of a grid."""
    a, c, b1, b2 = (x.float() for x in (draw(8, 6), draw(30, 5, seed=1), draw(600, 6, seed=2), draw(600, 5, seed=3)))
    a, b1 = (torch.cat([x, torch.full((len(x), 1), far)], 1) for x in (a, b1))  # adds the square of it to every score
    w = draw(600, seed=5).abs() + 0.1 if weighted else torch.ones(600, dtype=torch.float64)
    bridge = Bridge(ab, bc, Bank(b1, b2, weights=w if weighted else None), normalize=normalize)
    found, grid = bridge.retrieve(a, c, k=5, progress=False), bridge.score(a, c, progress=False).standard_error.double()
    s, t = similarity(ab, a, b1), similarity(bc, c, b2)
    x, u, v = (torch.softmax(z + w.log(), -1) / w * w.sum() for z in (s[:, None] + t[None], s, t))
    off = x - u[:, None] - v[None] + 1 if normalize else x - 1
    share = w / w.sum()
    exact = ((off * share).square().sum(-1) / (1 - share.square().sum())).sqrt()
    assert torch.allclose(found.standard_errors.double(), exact.gather(1, found.indices), rtol=2e-3)
    assert torch.allclose(grid, exact, rtol=3e-3)
    effective = 1 / (x * share).square().sum(-1)
    assert torch.allclose(found.effective_samples.double(), effective.gather(1, found.indices), rtol=2e-3)
