"""Students of a world whose answer is known, and of one that a linear map cannot say."""

import math
import warnings
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ucl import Bank, Bridge, Cosine, InputError, NegativeSquaredL2
from ucl.distilled.distil import distill, distill_stack
from ucl.distilled.draws import Known, held_apart, simulate
from ucl.distilled.judging import Marks
from ucl.distilled.report import Judged, Report, WeakStudentWarning, weak_allowed
from ucl.distilled.student import Student
from ucl.distilled.towers import Towers
from ucl.distilled.training import Settings, train
from ucl.learning.losses import info_nce
from ucl.runtime import generator

SHORT = Settings(steps=240, batch=64, checks=6)
TURN = torch.linalg.qr(torch.randn(4, 4, generator=generator(7))).Q


def world(seed: int = 0, samples: int = 300, bank: int = 500) -> tuple[Bridge, torch.Tensor, torch.Tensor]:
    """B is Gaussian; A and C see it with noise of standard deviation 0.3, C's model in a rotated space of its own."""
    a, c, b = (torch.randn(n, 4, generator=generator(seed, i)) for i, n in enumerate((samples, samples, bank)))
    scale = 1 / 0.3**2
    return Bridge(NegativeSquaredL2(scale), NegativeSquaredL2(scale), Bank(b, b @ TURN)), a, c @ TURN


def circle(n: int, seed: int) -> torch.Tensor:
    angle = torch.rand(n, generator=generator(seed)) * 2 * math.pi
    return torch.stack([angle.cos(), angle.sin()], 1)


def doubled(x: torch.Tensor) -> torch.Tensor:
    """Angles times two: what is opposite becomes one, which no linear map does."""
    return torch.stack([x[:, 0] ** 2 - x[:, 1] ** 2, 2 * x[:, 0] * x[:, 1]], 1)


def ambiguous() -> tuple[Bridge, torch.Tensor, torch.Tensor]:
    """A sees the doubled angle of B, C the angle itself: every A has two C's."""
    b = circle(600, 1)
    return Bridge(Cosine(30.0), Cosine(30.0), Bank(doubled(b), b)), doubled(circle(300, 2)), circle(300, 3)


def test_a_student_of_a_known_world_ranks_as_the_bridge() -> None:
    bridge, a, c = world()
    student = distill(bridge, a, c, width=8, settings=SHORT, progress=False)
    queries = torch.randn(64, 4, generator=generator(9))
    answers = (queries + 0.2 * torch.randn(64, 4, generator=generator(10))) @ TURN
    found = (student.score(queries, answers).argmax(1) == torch.arange(64)).float().mean()
    exact = (bridge.score(queries, answers, progress=False).scores.argmax(1) == torch.arange(64)).float().mean()
    assert found >= exact - 0.05
    x = student.embed_a(queries)
    torch.testing.assert_close(torch.linalg.vector_norm(x, dim=1), torch.ones(64))
    torch.testing.assert_close(student.score(queries, answers), student.scale * x @ student.embed_c(answers).T)
    assert student.report.samples == {"bank": 500, "a": 300, "c": 300}
    assert not student.report.weak
    assert "too few to be sure (75 of bank, 45 of a, 45 of c): compare on known pairs" in str(student.report)


@pytest.mark.parametrize(("samples", "few"), [(426, True), (427, False), (10_000, False)])
def test_a_report_says_that_few_samples_judge_roughly(samples: int, few: bool) -> None:
    ways = {"linear": Judged(0.5, 1.0)}
    for side in ("bank", "a", "c"):
        counts = {"bank": 10_000, "a": 10_000, "c": 10_000} | {side: samples}
        report = Report("linear", ways, -0.1, 0.01, 4096, counts)
        assert report.few_kept is few
        assert ("too few to be sure" in str(report)) is few


def test_capacity_is_chosen_by_what_the_world_needs() -> None:
    bridge, a, c = ambiguous()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeakStudentWarning)
        student = distill(bridge, a, c, width=8, settings=SHORT, progress=False)
        linear = distill(bridge, a, c, width=8, hidden=0, settings=SHORT, progress=False)
    assert student.hidden == 128
    assert student.report.chosen == "hidden"
    ways = student.report.ways
    assert ways["hidden"].recall > ways["linear"].recall + 0.05
    assert linear.report.weak  # what it cannot say, LogSumExp can
    assert set(ways) == {"linear", "hidden", "log_sum_exp", "log_sum_exp_normalized"}


def test_a_weak_student_says_so() -> None:
    bridge, a, c = ambiguous()
    with pytest.warns(WeakStudentWarning, match=r"behind LogSumExp .*score with the bridge itself"):
        distill(bridge, a, c, width=8, hidden=0, settings=SHORT, progress=False)


def test_a_seed_does_not_depend_on_who_is_stacked_with_it() -> None:
    known = []
    for seed in (0, 1):
        bridge, a, c = world(seed, 100, 120)
        sides = bridge.bank.for_a.read(0, 120), bridge.bank.for_c.read(0, 120)
        known.append(Known(bridge.ab, bridge.bc, *sides, a, c))
    short = Settings(steps=20, batch=32, checks=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeakStudentWarning)
        both = distill_stack(known, [3, 4], width=4, settings=short)
        alone = distill_stack(known[1:], [4], width=4, settings=short)[0]
        again = distill_stack(known[1:], [4], width=4, settings=short)[0]
    a = known[1].a
    torch.testing.assert_close(both[1].embed_a(a), alone.embed_a(a), atol=2e-3, rtol=0)
    assert torch.equal(alone.embed_a(a), again.embed_a(a))


def test_save_and_load(tmp_path) -> None:
    bridge, a, c = world(0, 60, 80)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeakStudentWarning)
        student = distill(bridge, a, c, width=4, settings=Settings(steps=10, batch=32, checks=2), progress=False)
    student.save(tmp_path / "student.safetensors")
    loaded = Student.load(tmp_path / "student.safetensors")
    assert loaded.report == student.report
    assert loaded.scale == student.scale
    assert torch.equal(loaded.embed_c(c), student.embed_c(c))
    assert (loaded.embed_a(a.numpy()) == student.embed_a(a).numpy()).all()
    damaged = bytearray((tmp_path / "student.safetensors").read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "student.safetensors").write_bytes(damaged)
    with pytest.raises(InputError, match="damaged"):
        Student.load(tmp_path / "student.safetensors")
    with pytest.raises(InputError, match=r"expected a file that Student\.save wrote"):
        Student.load(tmp_path / "none.safetensors")


def test_wrong_input_is_told_in_a_line() -> None:
    bridge, a, c = world(0, 60, 80)
    with pytest.raises(InputError, match="a_samples must hold at least 20 samples to distil from: got 5; give more"):
        distill(bridge, a[:5], c)
    with pytest.raises(InputError, match="same width: got 3 and 4"):
        distill(bridge, a[:, :3], c)
    towers = Towers([generator(0)], (4, 4), 0, 4)
    pairs = simulate(
        [Known(bridge.ab, bridge.bc, *[r.read(0, 80) for r in (bridge.bank.for_a, bridge.bank.for_c)], a, c)],
        64,
        [generator(1)],
    )
    with pytest.raises(InputError, match=r"hold at least a batch of 128: got 64"):
        train(towers, pairs, pairs, Settings(batch=128))


def test_settings_that_make_no_student_are_told_in_a_line() -> None:
    bridge, a, c = world(0, 60, 80)
    short = Settings(steps=10, batch=32, checks=2)
    for options, told in (
        ({"width": 1}, "width must be at least 2: got 1"),
        ({"hidden": -1}, "hidden must be the width of the hidden layers"),
        ({"settings": replace(short, learning_rate=1e30)}, "training left the range of float32"),
    ):
        with pytest.raises(InputError, match=told):
            distill(bridge, a, c, progress=False, **{"settings": short, **options})
    for name, value in (("steps", 0), ("batch", 1), ("checks", 0), ("learning_rate", math.nan)):
        with pytest.raises(InputError, match=f"{name} must be .*: got {value}"):
            replace(short, **{name: value})


def test_a_student_at_chance_says_so() -> None:
    """All of A alike: nothing to be found, by LogSumExp neither."""
    bridge, a, c = world(0, 60, 80)
    with pytest.warns(WeakStudentWarning, match=r"finds nothing: it is at chance, 3\.466 nats"):
        student = distill(bridge, torch.ones_like(a), c, settings=Settings(steps=10, batch=32), progress=False)
    assert student.report.at_chance
    assert not student.report.weak
    with pytest.raises(InputError, match="row 0 is too far from all that the student learned from"):
        student.embed_a(torch.tensor([[2.0, 1.0, 1.0, 0.0]]))  # no direction in which a constant varies


def test_embeddings_of_another_kind_than_the_samples_are_refused(tmp_path) -> None:
    """A cosine critic sees no norm, a student does; a table's columns may be in another order than the samples'."""
    b, a, c = (torch.nn.functional.normalize(torch.randn(n, 4, generator=generator(n))) for n in (80, 60, 70))
    names = ["w", "x", "y", "z"]
    pq.write_table(pa.table(dict(zip(names, a.T.numpy(), strict=True))), tmp_path / "a.parquet")
    turned = {name: a[:, names.index(name)].numpy() for name in reversed(names)}
    pq.write_table(pa.table(turned), tmp_path / "turned.parquet")
    with weak_allowed():
        distill(Bridge(Cosine(9.0), Cosine(9.0), Bank(b, b)), tmp_path / "a.parquet", c, hidden=0, width=4,
                settings=Settings(steps=5, batch=32), progress=False).save(tmp_path / "s.safetensors")  # fmt: skip
    student = Student.load(tmp_path / "s.safetensors")
    assert torch.allclose(student.embed_a(a), torch.from_numpy(student.embed_a(tmp_path / "a.parquet")))
    with pytest.raises(InputError, match="columns in one order: column 0 is z in one, w in the other"):
        student.embed_a(tmp_path / "turned.parquet")
    for size in (10.0, 0.1):
        with pytest.raises(InputError, match=rf"norms reach from 1 to 1: got rows of norm {size:g}; normalise them"):
            student.embed_c(size * c)
    one_far = torch.cat([c, 9 * c[:1]])
    assert len(student.embed_c(one_far)) == 71  # a row unlike the others does not stop them


def test_what_is_kept_apart_shares_nothing() -> None:
    rows = torch.arange(200.0)[:, None]
    known = Known(Cosine(1.0), Cosine(1.0), rows, rows, rows[:150], rows[:100], (rows[:, 0] + 1).log())
    train_part, judge = held_apart(known, generator(0))
    for name, size in {"for_a": 200, "a": 150, "c": 100}.items():
        both = torch.cat([getattr(train_part, name), getattr(judge, name)])[:, 0]
        assert torch.equal(both.sort().values, torch.arange(float(size)))
    assert torch.equal(judge.for_a, judge.for_c)
    torch.testing.assert_close(judge.log_weights, (judge.for_a[:, 0] + 1).log())


def test_towers_encode_as_they_are_trained() -> None:
    towers = Towers([generator(i) for i in range(3)], (5, 2), 7, 6)
    a, c = torch.randn(3, 9, 5, generator=generator(4)), torch.randn(3, 9, 2, generator=generator(5))
    towers.standardise(a, c)
    trained = towers(towers.standard("a", a), towers.standard("c", c)).chunk(2)
    for side, x, found in (("a", a, trained[0]), ("c", c, trained[1])):
        torch.testing.assert_close(towers.encode(side, x), found)
        torch.testing.assert_close(towers.one(1).encode(side, x[1:2])[0], found[1])


def test_marks_by_hand() -> None:
    groups = torch.zeros(2, 32, 32)
    groups[0] += 5 * torch.eye(32)
    marks, none = Marks(groups), Marks(torch.zeros(2, 32, 32) - torch.eye(32))
    assert marks.hits.tolist() == [1.0, 0.0]  # ties in the second group: a rank of 16.5
    assert none.judged.recall == 0
    assert marks.losses[1] == pytest.approx(math.log(32))
    gap = (none.losses - marks.losses).double()
    assert none.behind(marks) == pytest.approx((float(gap.mean()), float(gap.std()) / 2**0.5))


def test_a_loss_does_not_depend_on_how_sure_the_scores_are() -> None:
    groups = torch.randn(4, 32, 32, generator=generator(3)) + 2 * torch.eye(32)
    sure, unsure = Marks(8 * groups), Marks(groups)
    assert sure.judged.loss == pytest.approx(unsure.judged.loss, abs=0.01)
    assert float(info_nce(8 * groups).mean()) > unsure.judged.loss + 1
    least = min(float(info_nce(groups.double() * 2**power).mean()) for power in torch.linspace(-2, 2, 81).tolist())
    assert sure.judged.loss == pytest.approx(least, abs=0.01)
