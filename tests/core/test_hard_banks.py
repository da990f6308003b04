"""Banks that break a careless LogSumExp. Not one entry may be outside the stated error.

Oracles: float64 broadcasting, summed per entry around its own maximum; mpmath where the numbers are few.
"""

import math
from collections.abc import Callable

import mpmath
import pytest
import torch
from bridge_oracle import DEVICE, TOLERANCE, draw, largest, truth

from ucl import Bank, Bridge, Cosine, Dot, NegativeL2, NegativeSquaredL2, log_sum_exp_scores
from ucl.core.critics import Critic


def near(rows: torch.Tensor, count: int, noise: float, seed: int) -> torch.Tensor:
    """Anchors close to some of the rows."""
    picks = rows[torch.arange(count) * len(rows) // count]
    return (
        picks + noise * picks.norm(dim=1, keepdim=True) * draw(count, rows.shape[1], seed=seed) / rows.shape[1] ** 0.5
    )


def clusters(m: int, d: int) -> torch.Tensor:
    centres = torch.nn.functional.normalize(draw(min(m, 25), d), dim=1)
    return centres[torch.arange(m) % len(centres)] + 1e-3 * draw(m, d, seed=1) / d**0.5


def dominant(m: int, d: int) -> torch.Tensor:
    rows = torch.nn.functional.normalize(draw(m, d), dim=1)
    rows[1:] = -rows[:1] + 0.1 * rows[1:]
    return rows


BANKS: dict[str, Callable[[int, int], torch.Tensor]] = {
    "random": lambda m, d: draw(m, d),
    "clusters": clusters,
    "duplicates": lambda m, d: draw(3, d)[torch.arange(m) % 3],
    "one dominant sample": dominant,
    "antipodal": lambda m, d: draw((m + 1) // 2, d).repeat(2, 1)[:m] * (1 - 2 * (torch.arange(m) % 2))[:, None],
    "all positive": lambda m, d: draw(m, d).abs() + 0.1,
    "norms from 1e-3 to 1e3": lambda m, d: draw(m, d) * torch.logspace(-3, 3, m, dtype=torch.float64)[:, None],
}


def check(ab: Critic, bc: Critic, a, c, bank, dtype: torch.dtype) -> int:
    a, c, bank = (v.to(DEVICE, dtype) for v in (a, c, bank))
    result = Bridge(ab, bc, Bank(bank), normalize=False).score(a, c, progress=False)
    assert result.scores.dtype == dtype
    error = (result.scores.double() - truth(ab, bc, a, c, bank, bank)).abs()
    outside = int((~(error <= TOLERANCE[dtype] * largest(ab, bc, a, c, bank, bank))).sum())
    assert outside == 0, f"{outside} entries outside the stated error, the worst by {float(error.max())}"
    return result.recomputed


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0, 1000.0])
@pytest.mark.parametrize("kind", BANKS)
def test_cosine_at_every_scale(kind, scale, dtype) -> None:
    for d in (2, 48):
        bank = BANKS[kind](800, d)
        a, c = near(bank, 24, 0.02, 5), near(bank.flip(0), 23, 0.02, 6)
        check(Cosine(scale), Cosine(0.3 * scale), a, c, bank, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("critic", [Dot, NegativeL2, NegativeSquaredL2])
@pytest.mark.parametrize("kind", BANKS)
def test_unnormalised_critics(kind, critic, dtype) -> None:
    for norm, d in ((1.0, 16), (1000.0, 5)):
        bank = BANKS[kind](400, d) * norm
        a, c = near(bank, 17, 0.02, 5), near(bank.flip(0), 16, 1e-6, 6)
        check(critic(1.0), critic(0.5), a, c, bank, dtype)


@pytest.mark.parametrize("kind", ["random", "clusters", "all positive"])
@pytest.mark.parametrize("d", [64, 128, 256, 512, 1024])
def test_wide_embeddings_in_float32(kind, d) -> None:
    """Anchors equal to bank samples: the largest scores, hence the largest rounding."""
    bank = BANKS[kind](1500, d).float()
    check(Cosine(100.0), Cosine(18.6), bank[:120], bank[:120].flip(0), bank, torch.float32)


@pytest.mark.parametrize("scale", [2.0, 16.0, 40.0, 64.0, 100.0])
@pytest.mark.parametrize("kind", BANKS)
def test_float32_products_of_many_like_terms(kind, scale) -> None:
    """Thousands of equal terms round the same way: their sum is off by more than chance would have it."""
    for d, m in ((2, 4000), (16, 260), (64, 3000)):
        bank = BANKS[kind](m, d).float()
        for share in (0.5, 0.8):
            ab, bc = Cosine(scale * share), Cosine(scale * (1 - share))
            check(ab, bc, bank[:40], bank[:41], bank, torch.float32)


@pytest.mark.parametrize("m", [1, 2, 7, 1_000, 100_000, 1_000_000])
def test_banks_of_every_size(m) -> None:
    bank = draw(m, 2)
    check(Cosine(30.0), Cosine(200.0), draw(5, 2, seed=5), draw(4, 2, seed=6), bank, torch.float32)
    check(Cosine(1000.0), Cosine(700.0), draw(3, 2, seed=5), draw(3, 2, seed=6), bank, torch.float64)


def test_the_certificate_sends_underflow_to_an_exact_path() -> None:
    """Two clusters at opposite poles: in float32, and at this scale in float64, every cross entry underflows."""
    poles = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    bank = poles.repeat(200, 1) + 1e-3 * draw(400, 2)
    a, c = poles.repeat(30, 1), poles.repeat(40, 1)
    crossing = len(a) * len(c) // 2
    assert check(Cosine(1000.0), Cosine(1000.0), a, c, bank, torch.float32) == crossing
    assert check(Cosine(1000.0), Cosine(1000.0), a, c, bank, torch.float64) == crossing
    assert check(Cosine(100.0), Cosine(100.0), a, c, bank, torch.float64) == 0
    # A column of crossing entries is out of float64's range, and too few to look for tight blocks: entry by entry.
    assert (
        check(
            Cosine(1000.0),
            Cosine(1000.0),
            poles[:1].repeat(100, 1),
            torch.cat([poles[:1].repeat(100, 1), poles[1:]]),
            bank,
            torch.float32,
        )
        == 100
    )


def test_against_mpmath() -> None:
    a, bank = draw(2, 4), draw(30, 4, seed=2)
    scores = Bridge(Cosine(900.0), Cosine(1000.0), Bank(bank), normalize=False).score(a, -a).scores
    mpmath.mp.dps = 60
    for i in range(2):
        for j in range(2):

            def cosine(x: torch.Tensor, y: torch.Tensor) -> mpmath.mpf:
                x, y = [mpmath.mpf(v) for v in x.tolist()], [mpmath.mpf(v) for v in y.tolist()]
                return mpmath.fdot(x, y) / mpmath.sqrt(mpmath.fdot(x, x) * mpmath.fdot(y, y))

            total = mpmath.fsum(mpmath.exp(900 * cosine(a[i], b) + 1000 * cosine(-a[j], b)) for b in bank)
            assert abs(float(mpmath.log(total / 30) - mpmath.mpf(float(scores[i, j])))) <= 1e-12 * 1900


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_black_box_scores_of_any_size(dtype) -> None:
    for size in (1e-3, 1.0, 100.0, 1e5):
        s, t = (size * draw(20, 500)).to(dtype), (size * draw(21, 500, seed=1)).to(dtype)
        exact = torch.logsumexp(s.double()[:, None] + t.double()[None], -1) - math.log(500)
        error = (log_sum_exp_scores(s, t).double() - exact).abs().max()
        assert error <= TOLERANCE[dtype] * max(1.0, float(s.abs().max() + t.abs().max()))


def test_vectors_at_the_ends_of_the_range() -> None:
    """Squares of such rows leave float32; their directions are as good as any."""
    bank = draw(60, 8)
    sizes = torch.logspace(-37, 36, 60, dtype=torch.float64)[:, None]
    check(
        Cosine(50.0), Cosine(50.0), draw(5, 8, seed=1) * 1e-30, draw(5, 8, seed=2) * 1e30, bank * sizes, torch.float32
    )


def test_global_settings_do_not_matter() -> None:
    bank = draw(500, 64)
    expected = (
        Bridge(Cosine(50.0), Cosine(50.0), Bank(bank.float()), normalize=False)
        .score(bank[:9].float(), bank[:9].float())
        .scores
    )
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            again = Bridge(Cosine(50.0), Cosine(50.0), Bank(bank.float()), normalize=False).score(
                bank[:9].float(), bank[:9].float()
            )
    finally:
        torch.set_float32_matmul_precision("highest")
    assert torch.equal(expected, again.scores)
    assert torch.set_flush_denormal(True) in (True, False)
    try:
        check(Cosine(1000.0), Cosine(900.0), draw(9, 8), -draw(9, 8), draw(300, 8, seed=2), torch.float32)
    finally:
        torch.set_flush_denormal(False)
