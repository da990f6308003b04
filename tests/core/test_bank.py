"""Banks from anywhere, and what is refused."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from bridge_oracle import draw, truth
from hypothesis import given, settings
from hypothesis import strategies as st

from ucl import Bank, Bridge, Cosine, Dot, InputError, NegativeL2, log_sum_exp_scores
from ucl.core.readers import as_rows


def test_memory_maps_and_parquet_stream_block_by_block(tmp_path, monkeypatch) -> None:
    """Several blocks, whose ends fall inside row groups; the whole bank is never read at once."""
    monkeypatch.setattr("ucl.core.scores.BLOCK_ROWS", (256, 256))
    b1, b2 = draw(1000, 6, seed=2).float().numpy(), draw(1000, 4, seed=3).float().numpy()
    np.save(tmp_path / "b1.npy", b1)
    column = pa.ListArray.from_arrays(np.arange(0, 4004, 4, dtype=np.int32), pa.array(b2.ravel()))
    pq.write_table(pa.table({"embedding": column}), tmp_path / "b2.parquet", row_group_size=170)
    sizes: list[int] = []
    read = as_rows(tmp_path / "b2.parquet", "b").__class__.read
    monkeypatch.setattr(
        "ucl.core.parquet.ParquetRows.read",
        lambda self, i, j: sizes.append(j - i) or read(self, i, j),  # type: ignore[func-returns-value]
    )
    a, c = draw(4, 6).float(), draw(5, 4, seed=1).float()
    bank = Bank(np.load(tmp_path / "b1.npy", mmap_mode="r"), tmp_path / "b2.parquet")
    scores = Bridge(Cosine(60.0), Cosine(20.0), bank, normalize=False).score(a, c, progress=False).scores
    expected = truth(Cosine(60.0), Cosine(20.0), a, c, torch.from_numpy(b1), torch.from_numpy(b2))
    assert (scores.double() - expected).abs().max() <= 5e-7 * 80
    assert max(sizes) <= 256
    assert sum(sizes) == 1000


def test_shards_share_one_reading_of_a_bank_in_files(tmp_path, monkeypatch) -> None:
    """One pass for the digest that the parts carry, and one for who is a repeat; then each shard its own rows."""
    np.save(tmp_path / "b.npy", draw(900, 4).float().numpy())
    whole, seen = Bank(tmp_path / "b.npy"), 0
    read = whole.for_a.__class__.read

    def counted(rows, i, j):
        nonlocal seen
        seen += j - i
        return read(rows, i, j)

    monkeypatch.setattr(type(whole.for_a), "read", counted)
    for i in range(3):
        shard = whole.shard(i, 3)
        result = Bridge(Cosine(9.0), Cosine(9.0), shard).score(draw(2, 4).float(), draw(3, 4).float(), progress=False)
        assert torch.isfinite(result.standard_error).all()
    own = 3 * 300 * 4  # scored, and read again by the three moments of the errors
    assert seen <= 2 * 900 + own


def test_a_bank_in_many_parts(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("ucl.core.bank.PART", 150)
    monkeypatch.setattr("ucl.core.tight_blocks.GROUP", 20)
    a, c, b = draw(4, 6), draw(5, 6, seed=1), draw(1000, 6, seed=2)
    expected = Bridge(Cosine(60.0), Cosine(20.0), Bank(b), normalize=False).score(a, c).scores
    prepared = Bank(b).prepare(Cosine(60.0), Cosine(20.0), tmp_path, progress=False)
    assert len(list(tmp_path.glob("part-*.safetensors"))) == 7
    assert prepared.cuts[-1] == 1000
    assert len(prepared.cuts) > 30
    assert torch.allclose(
        Bridge(Cosine(60.0), Cosine(20.0), prepared, normalize=False).score(a, c).scores, expected, atol=1e-11
    )
    thirds = [Bridge(Cosine(60.0), Cosine(20.0), prepared.shard(i, 3), normalize=False).score(a, c) for i in range(3)]
    total = torch.logsumexp(torch.stack([r.scores + np.log(r.bank_size) for r in thirds]), 0) - np.log(1000)
    assert torch.allclose(total, expected, atol=1e-11)


def test_tight_blocks_keep_float32_from_underflow() -> None:
    """Clusters far apart at a high scale: unsorted, float32 loses entries; sorted by cluster, it loses far fewer."""
    centres = torch.nn.functional.normalize(draw(40, 32), dim=1)
    bank = (centres.repeat(100, 1) + 0.002 * draw(4000, 32, seed=1)).float()
    a, c = centres.float(), centres.flip(0).float()
    critic = Cosine(150.0)
    loose = Bridge(critic, critic, Bank(bank), normalize=False).score(a, c)
    tight = Bridge(critic, critic, Bank(bank).prepare(critic, critic, progress=False), normalize=False).score(a, c)
    assert tight.recomputed < loose.recomputed / 4
    assert torch.allclose(loose.scores, tight.scores, atol=1e-4)


@settings(max_examples=40)
@given(
    n=st.integers(1, 4), k=st.integers(1, 4), m=st.integers(1, 40), d=st.integers(1, 6), ab=st.floats(0.01, 500),
    bc=st.floats(0.01, 500), kind=st.sampled_from([Cosine, Dot, NegativeL2]), seed=st.integers(0, 99),
)  # fmt: skip
def test_any_shape_and_scale(n, k, m, d, ab, bc, kind, seed) -> None:
    a, c, bank = draw(n, d, seed=seed), draw(k, d, seed=seed + 100), draw(m, d, seed=seed + 200)
    result = Bridge(kind(ab), kind(bc), Bank(bank), normalize=False).score(a, c)
    expected = truth(kind(ab), kind(bc), a, c, bank, bank)
    assert (result.scores - expected).abs().max() <= 1e-12 * max(1.0, float(expected.abs().max()), ab + bc)
    size = result.effective_sample_size
    assert ((size >= 1 - 1e-9) & (size <= m + 1e-9)).all()


GOOD = {"a": draw(3, 4), "c": draw(5, 4, seed=1), "for_a": draw(20, 4, seed=2), "for_c": draw(20, 4, seed=3)}


def spoil(name: str, value):
    return {**GOOD, name: value(GOOD[name])}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (spoil("for_a", lambda x: x[:19]), r"same samples: got 19 and 20 rows; embed the same samples"),
        (spoil("for_a", lambda x: x[:0]), r"bank.for_a must not be empty: got shape \[0, 4\]"),
        (spoil("for_c", lambda x: x[0]), r"bank.for_c must be a matrix, one row per sample: got shape \[4\]"),
        (spoil("for_c", lambda x: x.long()), r"floating-point numbers: got int64; convert it"),
        (spoil("a", lambda x: x.int().numpy()), r"a must hold floating-point numbers: got int32"),
        (spoil("a", lambda x: x[:, :3]), r"a and bank.for_a must have the same width: got 3 and 4"),
        (spoil("c", lambda x: x[:, :3]), r"c and bank.for_c .* got 3 and 4; embed both with the same model"),
        (GOOD | {"a": draw(3, 5), "for_c": draw(20, 5)}, r"got 5 and 4; that is the width of bank.for_c: swap a and c"),
        (GOOD | {"c": draw(5, 6), "for_c": None}, r"got 6 and 4; .* needs for_c as well \(--bank-for-c\)"),
        (spoil("c", lambda x: x.tolist()), r"c must be a NumPy array, a torch tensor or a file name: got list"),
        (spoil("a", lambda x: x.log()), r"a must be finite: row 0 holds NaN; remove the row"),
        (spoil("for_c", lambda x: x.index_fill(0, torch.tensor(7), torch.inf)), r"bank.for_c .* row 7 holds infinity"),
        (spoil("for_a", lambda x: x.index_fill(0, torch.tensor(9), 0)), r"no zero vector .* row 9 is zero"),
        (spoil("c", lambda x: x.index_fill(0, torch.tensor(2), 0)), r"c must hold no zero vector .* row 2 is zero"),
    ],
)
def test_bad_input_is_told_in_one_line(inputs, message) -> None:
    def score() -> None:
        bank = Bank(inputs["for_a"], inputs["for_c"])
        Bridge(Cosine(5.0), Cosine(5.0), bank, normalize=False).score(inputs["a"], inputs["c"])

    with pytest.raises(InputError, match=message) as caught:
        score()
    assert "\n" not in str(caught.value)


def test_streamed_rows_are_checked_with_their_place(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("ucl.core.scores.BLOCK_ROWS", (256, 256))
    rows = draw(1000, 4).numpy()
    rows[777, 1] = np.nan
    np.save(tmp_path / "b.npy", rows)
    with pytest.raises(InputError, match=r"bank.for_a must be finite: row 777 holds NaN"):
        Bridge(Cosine(5.0), Cosine(5.0), Bank(tmp_path / "b.npy"), normalize=False).score(GOOD["a"], GOOD["c"])
    rows[777] = 0
    np.save(tmp_path / "b.npy", rows)
    with pytest.raises(InputError, match=r"row 777 is zero"):
        Bridge(Cosine(5.0), Cosine(5.0), Bank(tmp_path / "b.npy"), normalize=False).score(GOOD["a"], GOOD["c"])


@pytest.mark.parametrize("heavy", [True, False])
def test_streamed_rows_are_checked_with_their_place_by_query_vectors(tmp_path, monkeypatch, heavy) -> None:
    monkeypatch.setattr("ucl.core.scores.BLOCK_ROWS", (256, 256))
    monkeypatch.setattr("ucl.core.scores.BLOCK_NUMBERS", 1)
    rows = draw(1000, 4).numpy()
    rows[777] = GOOD["a"][0] if heavy else -GOOD["a"].sum(0)
    np.save(tmp_path / "a.npy", rows)
    rows[777] = 0
    np.save(tmp_path / "c.npy", rows)
    bank = Bank(tmp_path / "a.npy", tmp_path / "c.npy")
    with pytest.raises(InputError, match=r"bank.for_c must hold no zero vector under the cosine critic: row 777 is"):
        Bridge(Cosine(500.0), Cosine(5.0), bank).query_vectors(GOOD["a"][:1])


def test_other_bad_input() -> None:
    bank = Bank(GOOD["for_a"])
    with pytest.raises(InputError, match="dtype must be float32 or float64: got float16"):
        Bridge(Cosine(5.0), Cosine(5.0), bank, dtype="float16", normalize=False)
    for scale in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="scale must be positive and finite"):
            Cosine(scale)
    with pytest.raises(InputError, match="one scale: got 3"):
        Bridge(Cosine(torch.ones(3)), Cosine(5.0), bank, normalize=False)
    with pytest.raises(InputError, match="k must be a whole number between 1 and the number of candidates, 5: got 6"):
        Bridge(Cosine(5.0), Cosine(5.0), bank, normalize=False).retrieve(GOOD["a"], GOOD["c"], k=6)
    with pytest.raises(InputError, match="column per bank sample, the same samples: got 20 and 5"):
        log_sum_exp_scores(draw(3, 20), draw(3, 5))
    with pytest.raises(InputError, match="shard must be one of"):
        bank.shard(3, 3)


def test_dtype_of_the_answer_can_be_chosen() -> None:
    bank, a, c = Bank(GOOD["for_a"]), GOOD["a"].float(), GOOD["c"].float()
    critic = Cosine(50.0)
    exact = truth(critic, critic, a, c, GOOD["for_a"], GOOD["for_a"])
    double = Bridge(critic, critic, bank, dtype="float64", normalize=False).score(a, c).scores
    assert double.dtype == torch.float64
    assert (double - exact).abs().max() < 1e-12 * 100
    assert (
        Bridge(critic, critic, bank, dtype="float32", normalize=False).score(GOOD["a"], GOOD["c"]).scores.dtype
        == torch.float32
    )
    half = Bridge(critic, critic, bank, normalize=False).score(a.half(), c.half()).scores
    assert half.dtype == torch.float32


def test_a_single_sample_has_no_standard_error() -> None:
    result = Bridge(Cosine(5.0), Cosine(5.0), Bank(GOOD["for_a"][:1]), normalize=False).score(GOOD["a"], GOOD["c"])
    assert torch.isnan(result.standard_error).all()
    assert (result.effective_sample_size == 1).all()


@pytest.mark.parametrize("shared", [False, True])
def test_a_bank_changed_in_place_is_not_remembered(shared) -> None:
    """A learned bank: its unit rows are kept between calls, and made again after a step of the optimiser."""
    b1, b2 = GOOD["for_a"].clone().requires_grad_(), GOOD["for_c"].clone()
    bank = Bank(b1) if shared else Bank(b1, b2)
    bridge = Bridge(Cosine(70.0), Cosine(20.0), bank, normalize=False)
    for _ in range(3):
        scores = bridge.score(GOOD["a"], GOOD["c"]).scores
        exact = truth(Cosine(70.0), Cosine(20.0), GOOD["a"], GOOD["c"], b1, b1 if shared else b2)
        assert torch.allclose(scores, exact, atol=1e-10)
        (gradient,) = torch.autograd.grad(scores.sum(), b1)
        with torch.no_grad():
            b1 -= 0.1 * gradient


def test_a_part_of_a_memory_map_is_held_to_no_file_but_its_own(tmp_path) -> None:
    """It has no name to look at; the folder that one stands in is none either."""
    np.save(tmp_path / "rows.npy", draw(50, 4).numpy())
    assert as_rows(np.load(tmp_path / "rows.npy", mmap_mode="r")[10:], "bank").opened is None
