"""`ucl.check`: each defect of a bank has its finding, and a sound one has none."""

import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from trust_draws import pairs, views

from ucl import Bank, Bridge, Cosine, Dot, Findings, InputError, NegativeL2, calibrate, check
from ucl.runtime import generator
from ucl.trust.answers import hubs


@pytest.fixture(scope="module")
def sides():
    return views(300)


def quick(*args, **options):
    """A check of a bank of one embedding: nothing has to be fitted."""
    return check(Bank(args[0]), *(args[1:] or (Cosine(8.0), Cosine(8.0))), **options)


def test_a_sound_bank(sides):
    found = check(Bank(*sides), Cosine(8.0), Cosine(8.0))
    assert found.level == "ok", str(found)
    assert found["order"].numbers["planted_found"] == 1
    assert "Row i is the same sample" in str(found)


def test_a_shuffled_bank_and_a_bank_too_small_to_tell(sides):
    a, c = sides
    found = check(Bank(a, c.flip(0)), Cosine(8.0), Cosine(8.0))
    assert found["order"].level == found.level == "error"
    assert found["order"].remedy
    assert check(Bank(a[:50], c[:50]), Cosine(8.0), Cosine(8.0))["order"].level == "warning"


def test_it_is_the_same_twice_and_speaks_json(sides):
    found = [quick(sides[0]) for _ in range(2)]
    assert str(found[0]) == str(found[1])
    told = json.loads(found[0].to_json())
    assert told["level"] == found[0].level
    assert [f["name"] for f in told["findings"]] == [f.name for f in found[0]]
    assert isinstance(found[0], Findings)
    with pytest.raises(KeyError):
        found[0]["coverage"]


def test_repeats_dimensions_norms_and_far_rows(sides):
    a = sides[0]
    again = torch.cat([a, a[:30]])
    assert quick(again)["repeats"].numbers["exact_share"] == pytest.approx(30 / 330)
    near = torch.cat([a, a[:30] * (1 + 1e-6)])
    assert quick(near, Dot(0.1), Dot(0.1))["repeats"].numbers["near_share_of_sample"] == pytest.approx(60 / 330)
    constant = torch.cat([a, torch.ones(300, 2)], 1)
    assert quick(constant, Dot(0.1), Dot(0.1))["dimensions_for_a"].numbers["constant"] == 2
    flat = a[:, :1] * torch.ones(1, 10)
    assert quick(flat, Dot(0.1), Dot(0.1))["dimensions_for_a"].level == "error"
    far = a.clone()
    far[7] *= 2000
    found = quick(far, Dot(1e-3), Dot(1e-3))
    assert "row 7 most" in found["far_rows_for_a"].sentence
    assert found["norms_for_a"].level == "warning"
    unit = torch.nn.functional.normalize(a, dim=1)
    assert "norm one" in quick(unit)["norms_for_a"].sentence


def test_the_effective_rank_of_an_isotropic_cloud_is_its_width():
    found = quick(torch.randn(2000, 8, generator=generator(1)))["dimensions_for_a"]
    assert found.numbers["effective_rank"] == pytest.approx(8, abs=0.1)


@pytest.mark.parametrize(
    ("scale", "level", "words"),
    [
        (1.0, "error", "a scale of 1"),
        (0.5, "error", "whole bank"),
        (8.0, "ok", "samples"),
        (1e4, "warning", "one sample"),
    ],
)
def test_what_a_scale_makes_of_the_bank(sides, scale, level, words):
    found = quick(sides[0], Cosine(scale), Cosine(8.0))
    assert found["scale_ab"].level == level
    assert words in found["scale_ab"].sentence
    assert found["scale_bc"].level == "ok"


@pytest.mark.parametrize(
    ("factor", "level"), [(1.0, "ok"), (1.3, "ok"), (4.0, "error"), (0.25, "error"), (None, "error")]
)
def test_known_pairs_tell_a_wrong_scale(sides, factor, level):
    for seed in range(5):
        x, y = pairs(20.0, 200, 12, seed)
        scale = math.log(20.0) if factor is None else 20.0 * factor
        found = quick(torch.randn(50, 12, generator=generator(2)), Cosine(scale), Cosine(8.0), pairs_ab=(x, y))
        assert found["scale_ab_by_pairs"].level == level
    assert ("is the logarithm of what fits" in found["scale_ab_by_pairs"].sentence) == (factor is None)


def test_queries_that_the_bank_does_not_cover(sides):
    a, _ = sides
    bank = Bank(a[:100])
    covered = check(bank, Cosine(3.0), Cosine(3.0), queries_a=a[100:], queries_c=a[200:])
    assert covered["coverage"].level == "ok"
    far = check(bank, Cosine(400.0), Cosine(400.0), queries_a=a[100:], queries_c=a[200:])
    assert far["coverage"].level == "warning"
    assert check(bank, Cosine(3.0), Cosine(3.0), queries_a=a[100:])["coverage_a"].level == "ok"


def test_a_candidate_that_wins_a_third_of_all_queries_is_a_hub():
    grid = torch.randn(300, 100, generator=generator(5))
    assert hubs(grid).level == "ok"
    grid[:100, 7] += 10
    found = hubs(grid)
    assert found.level == "warning"
    assert found.numbers["won_by_one"] >= 1 / 3


def test_a_candidate_far_longer_than_all_others_is_a_hub(sides):
    a, _ = sides
    hub = torch.cat([1e-2 * a[200:], 3 * a[:100].mean(0, keepdim=True) + a[:1]])
    assert check(Bank(a[:100]), Dot(0.3), Dot(1.0), queries_a=a[100:], queries_c=hub)["hubs"].level == "warning"


def test_texts_that_became_equal():
    rows = torch.randn(4, 6, generator=generator(3))
    texts = ["a dog", "a dog that barks", "a dog that barks loudly", "rain"]
    assert quick(rows, texts=texts)["texts"].level == "ok"
    found = quick(rows, texts=texts, cut_texts=["a dog", "a dog that", "a dog that", "rain"])["texts"]
    assert (found.level, found.numbers["became_equal"]) == ("warning", 1)
    with pytest.raises(InputError, match="texts must be those of the bank: got 3 for 4"):
        quick(rows, texts=texts[:3])
    with pytest.raises(InputError, match="cut_texts must hold one text per text"):
        quick(rows, texts=texts, cut_texts=texts[:3])


def test_columns_in_another_order_are_told(sides, tmp_path):
    """Of queries and of pairs: in a table, columns of one name are one number."""
    rows, names = sides[0], [f"x{i}" for i in range(sides[0].shape[1])]
    for file, order in (("right", names), ("turned", names[::-1])):
        columns = {name: rows[:, names.index(name)].numpy() for name in order}
        pq.write_table(pa.table(columns), tmp_path / f"{file}.parquet")
    right, turned = (tmp_path / f"{file}.parquet" for file in ("right", "turned"))
    for options in ({"queries_a": turned}, {"pairs_bc": (right, turned)}):
        with pytest.raises(InputError, match="columns in one order"):
            quick(right, **options)
    with pytest.raises(InputError, match="columns in one order"):
        calibrate(right, turned)
    bridge = Bridge(Cosine(8.0), Cosine(8.0), Bank(right, sides[1]))
    for a, known in ((turned, None), (right, (turned, sides[1]))):
        with pytest.raises(InputError, match="columns in one order"):
            bridge.diagnose(a, sides[1], pairs_ac=known, progress=False)


def test_inputs_that_do_not_fit_are_one_line(sides):
    with pytest.raises(InputError, match="queries_a must be as wide"):
        quick(sides[0], queries_a=torch.ones(3, 4))
    with pytest.raises(InputError, match="pairs_bc must be the two sides"):
        quick(sides[0], pairs_bc=(torch.ones(3, 4), torch.ones(3, 4)))
    with pytest.raises(InputError, match=r"pairs_ab must be .* as wide as bank.for_a, \d+: got \[30, 4\]"):
        quick(sides[0], pairs_ab=(torch.ones(30, 4), torch.ones(30, 4)))
    with pytest.raises(InputError, match="cut_texts are compared with texts: got none"):
        quick(sides[0], cut_texts=["a"] * 300)
    with pytest.raises(InputError, match=r"bank\.for_a must be within the range of float32 here"):
        quick(1e200 * sides[0].double(), NegativeL2(1.0), NegativeL2(1.0))
    with pytest.raises(InputError, match="ab must be a critic"):
        check(Bank(sides[0]), Cosine, Cosine(1.0))
