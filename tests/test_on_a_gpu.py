"""What the library says on a GPU is what it says on the CPU. Skipped without one; UCL_TEST_DEVICE=cpu tries the tests.

`UCL_TEST_DEVICE=cuda pytest tests/core/test_hard_banks.py` scores the hard banks there, held to the same oracle.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
import torch
from bridge_oracle import TOLERANCE, largest, similarity, truth

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
    calibrate,
    check,
    diagnose,
    log_sum_exp_scores,
    merge,
)
from ucl.core.fingerprint import ChangedError
from ucl.distilled import distil
from ucl.distilled.distil import distill
from ucl.distilled.student import Student
from ucl.distilled.training import Settings
from ucl.learning.implied_joint import ImpliedJoint
from ucl.peers.base import SharedBank
from ucl.runtime import generator, prepare
from ucl.trust.evaluate import evaluate

DEVICE = os.environ.get("UCL_TEST_DEVICE", "cuda")
pytestmark = [
    pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="no GPU that PyTorch can use"),
    pytest.mark.filterwarnings("ignore::ucl.ThinBankWarning"),
]
CRITICS = [(Cosine(100.0), Cosine(18.6)), (Cosine(5.0), Dot(0.5)), (NegativeL2(3.0), NegativeSquaredL2(2.0))]
SHORT = Settings(steps=120, batch=64, checks=4)


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64).to(dtype)


def arrays(dtype: torch.dtype = torch.float32, samples: int = 3000) -> list[torch.Tensor]:
    """Queries, candidates and both sides of a bank, on the CPU."""
    return [
        draw(n, d, seed=i, dtype=dtype) for i, (n, d) in enumerate(((40, 24), (50, 16), (samples, 24), (samples, 16)))
    ]


def on(*tensors: torch.Tensor) -> list[torch.Tensor]:
    return [tensor.to(DEVICE) for tensor in tensors]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("critics", CRITICS, ids=lambda pair: f"{pair[0].name}, {pair[1].name}")
@pytest.mark.parametrize("kind", ["plain", "far apart", "weights", "prepared"])
def test_scores_are_within_the_stated_error(critics, dtype, kind) -> None:
    a, c, b1, b2 = arrays(dtype, 800)
    if kind == "far apart":  # the certificate sends entries to float64 and to the exact path
        b1, b2 = b1 * 30, b2 * 30
        critics = tuple(type(critic)(8 * critic.number) for critic in critics)
    weights = draw(800, seed=9).abs() + 0.1 if kind == "weights" else None
    bank = Bank(*on(b1, b2), weights=weights)
    if kind == "prepared":
        bank = bank.prepare(*critics, progress=False)
    result = Bridge(*critics, bank, normalize=False).score(*on(a, c), progress=False)
    assert result.scores.device.type == DEVICE
    assert result.scores.dtype == dtype
    if weights is None:
        expected = truth(*critics, a, c, b1, b2)
    else:
        shares = (weights.double() / weights.double().sum()).log()
        sums = similarity(critics[0], a, b1)[:, None] + similarity(critics[1], c, b2)[None] + shares
        expected = torch.logsumexp(sums, -1)
    error = (result.scores.cpu().double() - expected).abs()
    assert (error <= TOLERANCE[dtype] * largest(*critics, a, c, b1, b2)).all()


@pytest.mark.parametrize("critics", CRITICS, ids=lambda pair: f"{pair[0].name}, {pair[1].name}")
def test_products_that_round_alike_are_noticed(critics) -> None:
    """Constant and binary rows, where tensor cores or long sums would lose what is stated."""
    rows = (draw(600, 512) > 0).float() + 0.25
    bank, anchors = rows.to(DEVICE), rows[:30].to(DEVICE)
    found = Bridge(*critics, Bank(bank), normalize=False, dtype="float32").score(anchors, anchors, progress=False)
    expected = truth(*critics, rows[:30], rows[:30], rows, rows)
    bound = 5e-7 * largest(*critics, rows[:30], rows[:30], rows, rows)
    assert ((found.scores.cpu().double() - expected).abs() <= bound).all()


def test_what_the_process_allows_does_not_reach_the_scores() -> None:
    """TF32 and autocast, as a training script sets them."""
    a, c, b1, b2 = arrays(samples=1500)
    bridge = Bridge(Cosine(100.0), Cosine(18.6), Bank(*on(b1, b2)), normalize=False)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast(DEVICE, dtype=torch.bfloat16):
            scores = bridge.score(*on(a, c), progress=False).scores
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    error = (scores.cpu().double() - truth(bridge.ab, bridge.bc, a, c, b1, b2)).abs()
    assert (error <= 5e-7 * 118.6).all()


@pytest.mark.parametrize("critics", CRITICS, ids=lambda pair: f"{pair[0].name}, {pair[1].name}")
@pytest.mark.parametrize("normalize", [False, True])
def test_errors_sizes_and_reliability(critics, normalize) -> None:
    there, here = (
        Bridge(*critics, Bank(b1, b2), normalize=normalize).score(a, c, progress=False)
        for a, c, b1, b2 in (on(*arrays(samples=900)), arrays(samples=900))
    )
    for name in ("scores", "standard_error", "effective_sample_size"):
        found, expected = getattr(there, name).cpu().double(), getattr(here, name).double()
        torch.testing.assert_close(found, expected, rtol=2e-4, atol=1e-4, msg=name)
    assert (there.reliable.cpu() == here.reliable).double().mean() > 0.99


@pytest.mark.parametrize("critics", CRITICS, ids=lambda pair: f"{pair[0].name}, {pair[1].name}")
@pytest.mark.parametrize("normalize", [False, True])
def test_gradients(critics, normalize) -> None:
    found = []
    for device in ("cpu", DEVICE):
        leaves = [x.to(device).requires_grad_() for x in arrays(torch.float64, 300)]
        scales = [
            torch.tensor(critic.number, device=device, dtype=torch.float64, requires_grad=True) for critic in critics
        ]
        a, c, b1, b2 = leaves
        bridge = Bridge(*(type(f)(s) for f, s in zip(critics, scales, strict=True)), Bank(b1, b2), normalize=normalize)
        scores = bridge.score(a, c, progress=False).scores
        (scores * draw(40, 50, seed=5, dtype=torch.float64).to(device)).sum().backward()
        found.append([leaf.grad.cpu() for leaf in (*leaves, *scales)])
    for expected, gradient in zip(*found, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("tolerance", [0.01, 0.5])
def test_pruned_scores_stay_within_their_bound(tolerance) -> None:
    a, c, b1, b2 = arrays(samples=900)
    found = Bridge(Cosine(60.0), Cosine(18.6), Bank(*on(b1, b2)), normalize=False).score(*on(a, c), tolerance=tolerance)
    exact = truth(Cosine(60.0), Cosine(18.6), a, c, b1, b2)
    assert ((found.scores.cpu().double() - exact).abs() <= found.bound.cpu().double() + 5e-5).all()


def test_retrieval_explanation_barycentres_and_direct_comparison() -> None:
    answers = []
    for a, c, b1, b2 in (arrays(samples=700), on(*arrays(samples=700))):
        bridge = Bridge(Cosine(20.0), Cosine(18.6), Bank(b1, b2))
        prepared = bridge.prepare(c, progress=False)
        found = [bridge.retrieve(a, given, k=5, progress=False) for given in (c, prepared)]
        assert torch.equal(found[0].indices, found[1].indices)
        why = bridge.explain(a[0], c[3], top=4)
        shared = Bridge(Cosine(20.0), Cosine(20.0), Bank(b1)).direct(a, b1[:50])
        answers.append([found[0].indices, found[0].scores, why, bridge.query_vectors(a), shared])
    (index, scores, why, vectors, direct), (index2, scores2, why2, vectors2, direct2) = answers
    assert scores2.device.type == DEVICE
    assert torch.equal(index, index2.cpu())
    torch.testing.assert_close(scores2.cpu(), scores, rtol=1e-5, atol=1e-4)
    assert why2.samples == why.samples
    assert why2.shares == pytest.approx(why.shares, rel=1e-4)
    torch.testing.assert_close(vectors2.cpu(), vectors, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(direct2.cpu(), direct, rtol=1e-5, atol=1e-4)


def test_files(tmp_path) -> None:
    """A bank built from the GPU, prepared candidates and a result: written, read, and the same on both."""
    a, c, b1, b2 = arrays(samples=700)
    critics = (Cosine(70.0), Cosine(18.6))
    built = Bank(*on(b1, b2)).prepare(*critics, tmp_path / "bank", progress=False)
    here = Bridge(*critics, Bank(b1, b2)).score(a, c, progress=False)
    opened = Bank.load(tmp_path / "bank")
    for bank in (built, opened):
        found = Bridge(*critics, bank).score(*on(a, c), progress=False).scores
        torch.testing.assert_close(found.cpu(), here.scores, rtol=1e-5, atol=1e-4)
    there = Bridge(*critics, Bank(*on(b1, b2))).score(*on(a, c), progress=False)
    there.save(tmp_path / "scores.safetensors")
    torch.testing.assert_close(
        torch.as_tensor(BridgeResult.load(tmp_path / "scores.safetensors").scores), here.scores, rtol=1e-5, atol=1e-4
    )
    bridge = Bridge(*critics, Bank(*on(b1, b2)))
    bridge.prepare(on(c)[0], progress=False).save(tmp_path / "candidates")
    loaded = Candidates.load(tmp_path / "candidates")
    assert len(loaded) == len(c)


def test_shards_of_a_bank_merge_to_the_whole() -> None:
    a, c, b1, b2 = on(*arrays(samples=900))
    critics, bank = (Cosine(70.0), Cosine(18.6)), Bank(b1, b2)
    parts = [Bridge(*critics, bank.shard(i, 3)).score(a, c, progress=False) for i in range(3)]
    whole = Bridge(*critics, bank).score(a, c, progress=False)
    found = merge(parts)
    torch.testing.assert_close(found.scores, whole.scores, rtol=0, atol=1e-4)
    torch.testing.assert_close(found.standard_error, whole.standard_error, rtol=1e-3, atol=1e-4)


def test_a_change_in_place_is_noticed() -> None:
    a, c, b1, b2 = on(*arrays(samples=600))
    result = Bridge(Cosine(70.0), Cosine(18.6), Bank(b1, b2)).score(a, c, progress=False)
    b1.data[5] += 1
    with pytest.raises(ChangedError, match="the bank has changed"):
        _ = result.standard_error


@pytest.mark.skipif(DEVICE == "cpu", reason="two devices")
def test_mixed_devices_are_one_line() -> None:
    a, c, b1, b2 = arrays(samples=600)
    for tensors in ((a, *on(c)), (*on(a), c)):
        with pytest.raises(InputError, match=r"one device|\.to\("):
            Bridge(Cosine(70.0), Cosine(18.6), Bank(b1, b2)).score(*tensors, progress=False)
    with pytest.raises(InputError, match="one device"):
        distill(Bridge(Cosine(70.0), Cosine(18.6), Bank(b1, b2)), a, *on(c), progress=False)


@pytest.mark.skipif(DEVICE == "cpu", reason="two devices")
def test_a_bank_of_the_cpu_serves_queries_of_the_gpu() -> None:
    a, c, b1, b2 = arrays(samples=600)
    critics = (Cosine(70.0), Cosine(18.6))
    here = Bridge(*critics, Bank(b1, b2)).score(a, c, progress=False)
    there = Bridge(*critics, Bank(b1.numpy(), b2.numpy())).score(*on(a, c), progress=False)
    torch.testing.assert_close(there.scores.cpu(), here.scores, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(there.standard_error.cpu(), here.standard_error, rtol=1e-3, atol=1e-4)


def test_scores_of_elsewhere() -> None:
    s, t = draw(30, 500) * 3, draw(20, 500, seed=1) * 3
    found = log_sum_exp_scores(*on(s, t))
    expected = torch.logsumexp(s.double()[:, None] + t.double()[None], -1) - np.log(500)
    torch.testing.assert_close(found.cpu().double(), expected, rtol=0, atol=1e-5)


def test_draws_of_the_implied_joint_are_the_same_on_both() -> None:
    drawn = []
    for a, c, b1, b2 in (arrays(samples=400), on(*arrays(samples=400))):
        joint = ImpliedJoint.of(Cosine(10.0), Cosine(8.0), a, c, b1, b2)
        drawn.append([index.cpu() for index in joint.draw(5000, generator(4))])
    for here, there in zip(*drawn, strict=True):
        assert (here == there).double().mean() > 0.998  # rounding may move a draw at the edge of a step


def test_a_student(tmp_path) -> None:
    """Trained on the GPU: as good as the CPU's by its own report, the same again, and read on either."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        students = []
        for device in ("cpu", DEVICE, DEVICE):
            a, c, b1, b2 = (x.to(device) for x in arrays(samples=500))
            bridge = Bridge(Cosine(10.0), Cosine(8.0), Bank(b1, b2))
            students.append(distill(bridge, a, c, width=8, hidden=0, settings=SHORT, progress=False))
    a, c, _, _ = arrays()
    scores = [student.score(a, c) if i == 0 else student.score(*on(a, c)) for i, student in enumerate(students)]
    assert torch.equal(scores[1], scores[2])
    assert (scores[1].cpu() - scores[0]).abs().mean() < 0.3 * scores[0].std()
    students[1].save(tmp_path / "student.safetensors")
    for device in ("cpu", DEVICE):
        read = Student.load(tmp_path / "student.safetensors", device)
        torch.testing.assert_close(read.score(a.to(device), c.to(device)).cpu(), scores[1].cpu(), rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def _short_courses() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distil, "Settings", partial(Settings, steps=40))
        yield


def trust(work: Callable[..., object]) -> list[object]:
    """What `work` says on the CPU and on the GPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [work(*given) for given in (arrays(samples=600), on(*arrays(samples=600)))]


def test_check() -> None:
    here, there = trust(lambda a, c, b1, b2: check(Bank(b1, b2), Cosine(10.0), Cosine(8.0), queries_a=a, queries_c=c))
    assert [(f.name, f.level) for f in here.findings] == [(f.name, f.level) for f in there.findings]


def test_calibrate() -> None:
    here, there = trust(lambda a, c, b1, b2: calibrate(b1, b1 + 0.5 * a.repeat(15, 1)))
    assert there.scale == pytest.approx(here.scale, rel=1e-4)


@pytest.mark.skipif(DEVICE == "cpu", reason="two devices")
@pytest.mark.usefixtures("_short_courses")
def test_methods_of_others_ask_for_a_bank_on_the_cpu() -> None:
    a, c, b1, b2 = arrays(samples=400)
    with pytest.raises(InputError, match=r"compute on the CPU: got a bank on cuda:0; use \.cpu\(\)"):
        SharedBank(*on(b1, b2), Cosine(10.0), Cosine(8.0))
    bank, pairs = SharedBank(b1, b2, Cosine(10.0), Cosine(8.0), a, c), [(i, i) for i in range(40)]
    here, there = evaluate(bank, a, c, pairs), evaluate(bank, *on(a, c), pairs)
    assert here.to_json() == there.to_json()


@pytest.mark.usefixtures("_short_courses")
def test_diagnose() -> None:
    def work(a, c, b1, b2):
        return diagnose(Bridge(Cosine(10.0), Cosine(8.0), Bank(b1, b2)), a.repeat(2, 1), c, progress=False)

    here, there = trust(work)
    assert (here.verdict, here.method) == (there.verdict, there.method)
    assert len(here.predictions) == len(there.predictions)


def test_a_job_with_a_gpu_is_given_it() -> None:
    assert prepare(1, gpu=1).type == DEVICE
    assert prepare(1).type == "cpu"
