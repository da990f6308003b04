"""The calculator against sums done by hand, and its command; what it predicts is checked by `python -m bench plan`."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from command import run

from ucl import InputError
from ucl.scale import plan
from ucl.scale.plan import Size
from ucl.scale.rates import Rates

# One part alone costs something, so that a sum can be done by hand.
FREE = Rates(*[0.0] * 12, cores=2, where="nowhere")
SIZE = Size(queries=1000, candidates=2000, bank=30_000, width=64, kept=0.1)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        ("product", 1000 * 2000 * 30_000),
        ("score", (1000 + 2000) * 30_000 * 64),
        ("exponential", (1000 + 2000) * 30_000),
        ("entry", 1000 * 2000 * 3),
        ("part", 1000 * 2000 * 8 * 3),
        ("read", 30_000 * 64 * 4 * 2),
    ],
)
def test_exact_scores_in_one_tile_and_three_shards(rate: str, expected: float) -> None:
    found = plan.exact(replace(SIZE, shards=3), replace(FREE, **{rate: 1.0}))
    assert found.seconds == pytest.approx(expected)
    assert found.node_hours() == pytest.approx(expected / 7200)


def test_more_tiles_score_the_candidates_more_often() -> None:
    rates, grid = replace(FREE, exponential=1.0), Size(100_000, 1_000_000, 10, 8)
    rows = plan.SCORED // 1_000_000
    assert plan.exact(grid, rates).seconds == math.ceil(100_000 / rows) * (1_000_000 + rows) * 10
    best = plan.best_of_exact(grid, rates)
    assert best.seconds == math.ceil(100_000 / 4096) * math.ceil(1_000_000 / 4096) * 8192 * 10
    assert best.bytes_kept == 0
    every = replace(FREE, entry=1.0, block=1.0)
    assert plan.best_of_exact(replace(grid, shards=9), every) == plan.best_of_exact(grid, every)
    assert plan.exact(grid, rates).bytes_kept == 12 * 1e11


def test_a_tolerance_and_an_index() -> None:
    assert plan.tolerance(SIZE, replace(FREE, kept=1.0)).seconds == pytest.approx(1000 * 2000 * 0.1 * 30_000)
    assert plan.tolerance(SIZE, replace(FREE, score=1.0)).seconds == pytest.approx((1000 + 2000) * 30_000 * 64)
    assert plan.tolerance(SIZE, replace(FREE, survey=1.0)).seconds == pytest.approx(2000 * 30_000)
    assert plan.distilled(SIZE, replace(FREE, search=1.0)).seconds == pytest.approx(1000 * 2000 * plan.WIDTH)
    many = replace(SIZE, candidates=1_000_000)
    assert plan.distilled(many, replace(FREE, search=1.0)).seconds == 0  # lists, not all vectors
    assert plan.distilled(many, replace(FREE, probe=1.0)).seconds == pytest.approx(
        1000 * (1_000_000 / 16 + 1000) * plan.WIDTH
    )
    assert plan.distilled(many, replace(FREE, kept=1.0)).seconds == pytest.approx(1000 * 5000 * 0.1 * 30_000)
    assert plan.distilled(many, FREE).bytes_kept == 1_000_000 * plan.WIDTH * 4


def test_an_index_in_shards() -> None:
    """250,000 candidates a shard have 1,000 lists, as one index of all would; 125,000 are all compared."""
    four = replace(SIZE, candidates=1_000_000, shards=4)
    assigned = plan.distilled(four, replace(FREE, assign=1.0)).seconds
    assert assigned == pytest.approx(4 * 1000 * (250_000 + 10 * 64 * 1000) * plan.WIDTH)
    looked = plan.distilled(four, replace(FREE, probe=1.0)).seconds
    assert looked == pytest.approx(1000 * (1_000_000 / 16 + 4 * 1000) * plan.WIDTH)
    eight = replace(four, shards=8)
    assert plan.distilled(eight, replace(FREE, search=1.0)).seconds == pytest.approx(1000 * 1_000_000 * plan.WIDTH)
    assert plan.distilled(eight, replace(FREE, assign=1.0, probe=1.0)).seconds == 0
    assert plan.distilled(four, FREE).memory == plan.distilled(replace(four, shards=1), FREE).memory  # maps all


def test_the_command_tells_costs_and_which_way(tmp_path: Path, monkeypatch, capsys) -> None:
    web = ["plan", "--candidates", "1e9", "--bank", "1e6", "--width", "512", "--queries", "1e5"]
    assert run(monkeypatch, *web) == 0
    told = capsys.readouterr().out
    assert told.startswith("100,000 queries, 1,000,000,000 candidates, a bank of 1,000,000, width 512\n")
    assert "GPU-hours" in told
    assert told.count("on CPUs") == 1  # an index
    assert "take the distilled index" in told
    assert run(monkeypatch, "plan", "--candidates", "1000", "--bank", "1e4", "--queries", "10") == 0
    assert "take the exact scores" in capsys.readouterr().out
    (tmp_path / "rates.json").write_text(replace(FREE, product=1.0).to_json())
    words = ["plan", "--candidates", "20", "--bank", "30", "--queries", "10", "--rates", tmp_path / "rates.json"]
    assert run(monkeypatch, *words, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found[0]["node_hours"] == pytest.approx(10 * 20 * 30 / 7200)
    (tmp_path / "rates.json").write_text(replace(FREE, product=1.0, device="cuda").to_json())
    assert run(monkeypatch, *words, "--json") == 0
    there = json.loads(capsys.readouterr().out)
    assert there[0]["gpu_hours"] == pytest.approx(10 * 20 * 30 / 3600)
    assert there[3]["gpu_hours"] is None
    assert there[0]["node_hours"] < 1e-3 < found[0]["node_hours"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--candidates", "1e9", "--bank", "1e6"], "--queries must be a whole number from 1 to 1e15: got None"),
        (["--candidates", "0", "--bank", "1e6", "--queries", "1"], "--candidates must be a whole number"),
        (["--candidates", "nan", "--bank", "1e6", "--queries", "1"], "--candidates must be a whole number"),
        (["--candidates", "1", "--bank", "1", "--queries", "1", "--kept", "0"], "--kept must be a share above 0"),
        (["--measure"], "--measure writes a file: name it by --rates"),
        (["--rates", "none.json"], "no such file: none.json"),
        (["--rates", "other.json"], "other.json holds no rates"),
    ],
)
def test_a_wrong_word_is_one_line(tmp_path: Path, monkeypatch, capsys, words, message) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other.json").write_text('{"product": 1}')
    assert run(monkeypatch, "plan", *words) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"product": "fast"}, "product must be seconds, a number from 0: got 'fast'|holds no rates"),  # by type checks
        ({"read": -1.0}, "read must be seconds, a number from 0: got -1.0"),
        ({"kept": math.nan}, "kept must be seconds, a number from 0: got nan"),
        ({"probe": math.inf}, "probe must be seconds, a number from 0: got inf"),
        ({"device": "tpu"}, "device must be cpu or cuda: got 'tpu'"),
    ],
)
def test_what_is_no_rate_is_told(tmp_path: Path, wrong: dict[str, object], message: str) -> None:
    (tmp_path / "rates.json").write_text(json.dumps(asdict(FREE) | wrong))
    with pytest.raises(InputError, match=message):
        Rates.load(tmp_path / "rates.json")


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_rates_of_the_package_are_those_of_a_machine(device: str) -> None:
    rates = asdict(Rates.shipped(device))
    assert rates["device"] == device
    assert all(0 <= rates[name] < 1e-6 for name in rates if name not in ("cores", "where", "device"))
    assert 1e-14 < rates["product"] < rates["exponential"]
    with pytest.raises(InputError, match="no such file"):
        Rates.load("none")
