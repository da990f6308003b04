"""Verdicts on made-up metrics: claims that hold, in part, or do not, and too little to tell."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from ucl.experiments.bridging.claims import claims as of_bridging
from ucl.experiments.diagnosis.claims import claims as of_diagnosis
from ucl.experiments.disparate.claims import claims as of_disparate
from ucl.experiments.distillation.claims import claims as of_distillation
from ucl.experiments.independence.claims import claims as of_independence
from ucl.experiments.lemmas.claims import claims as of_lemmas
from ucl.experiments.marginals.claims import claims as of_marginals
from ucl.experiments.maze.claims import claims as of_maze
from ucl.experiments.peers.claims import claims as of_peers
from ucl.experiments.scaling.claims import claims as of_scaling
from ucl.experiments.synthetic.claims import claims as of_synthetic
from ucl.experiments.verdicts import above, every, level, mean, rejects, told, verdict
from ucl.reporting.claims import Verdict
from ucl.statistics.intervals import Interval

HOLDS, CORRECTED, FAILS, OPEN = Verdict
HALF = 0.01


def around(value: float, half: float = HALF) -> Interval:
    return Interval(value, value - half, value + half)


def recalls(ci95: float = HALF, **methods: float) -> dict[str, dict[str, float]]:
    return {
        name: {"recall_at_1": value, "ci95": ci95, "seeds": 20, "candidates": 10} for name, value in methods.items()
    }


def no_table(stem: str) -> pd.DataFrame:
    raise AssertionError(f"no table is asked for: {stem}")


def test_comparisons_are_answered_where_the_interval_of_the_difference_lies_on_one_side() -> None:
    assert [above(around(x), around(0.5)) for x in (0.53, 0.47, 0.51)] == [True, False, None]  # half-width .0141
    assert [above(around(x), around(0.5), 0.1) for x in (0.63, 0.57, 0.61)] == [True, False, None]
    assert [level(around(x), around(0.5), 0.05) for x in (0.53, 0.47, 0.57, 0.43, 0.55)] == [
        True,
        True,
        False,
        False,
        None,
    ]
    assert [every(x) for x in ([True, True], [True, None], [None, False], [])] == [True, None, False, True]
    assert [verdict(True), verdict(False), verdict(None)] == [HOLDS, FAILS, OPEN]
    assert [verdict(False, part) for part in (True, False, None)] == [CORRECTED, FAILS, OPEN]


def test_intervals_are_students_and_a_single_seed_tells_nothing() -> None:
    found = mean({"recall_at_1": 0.5, "sd": 0.2, "seeds": 4})
    assert found.high - 0.5 == pytest.approx(3.182446 * 0.1)  # t quantile, 3 degrees of freedom, from a table
    assert mean({"recall_at_1": 0.5, "sd": 0.0}, 1).high == float("inf")
    assert told(mean({"recall_at_1": 0.5, "ci95": 0.1}, 1)) == "0.50"
    assert told(around(0.5)) == "0.50 ± 0.01"
    assert [rejects(1.0, n) for n in (1, 2, 5)] == [False, True, True]  # .05, .0025, .0000003
    assert [rejects(share, 20) for share in (0.05, 0.15, 0.2)] == [False, False, True]  # P(X >= 3) = .075, of 4 .016


@pytest.mark.parametrize(
    ("direct", "bridge", "ci95", "expected"),
    [(0.93, 0.91, HALF, HOLDS), (0.93, 0.7, HALF, FAILS), (0.93, 0.91, 0.2, OPEN)],
)
def test_synthetic_l2(direct: float, bridge: float, ci95: float, expected: Verdict) -> None:
    methods = {"l2": recalls(ci95, direct=direct, monte_carlo_normalized=bridge)}
    (claim,) = of_synthetic({"published": methods, "held_out": methods}, {"critics": ["l2"]}, no_table)
    assert claim.verdict == expected


def test_synthetic_inner_product_and_cosine() -> None:
    dot = recalls(direct=0.17, monte_carlo=0.7, monte_carlo_normalized=0.78)
    cosine = recalls(direct=0.94, monte_carlo=0.91, monte_carlo_unscaled=0.13)
    metrics = {"held_out": {"dot": dot, "cosine": cosine}}
    params = {"critics": ["cosine", "dot"]}
    assert [claim.verdict for claim in of_synthetic(metrics, params, no_table)] == [HOLDS, FAILS]
    cosine |= recalls(monte_carlo=0.3)
    dot |= recalls(monte_carlo=0.2)
    assert [claim.verdict for claim in of_synthetic(metrics, params, no_table)] == [FAILS, HOLDS]


@pytest.mark.parametrize(
    ("held", "ci95", "expected"),
    [(0.92, HALF, HOLDS), (0.4, HALF, CORRECTED), (0.03, 0.001, OPEN), (0.01, 0.001, FAILS), (0.9, 0.3, OPEN)],
)
def test_disparate(held: float, ci95: float, expected: Verdict) -> None:
    references = {"ground_truth": 0.96, "direct": 0.03}
    metrics = {
        "published": {"l2": recalls(ci95, monte_carlo=0.93, monte_carlo_normalized=0.94, **references)},
        "held_out": {"l2": recalls(ci95, monte_carlo=held, monte_carlo_normalized=held, **references)},
    }
    (claim,) = of_disparate(metrics, {}, no_table)
    assert claim.verdict == expected


@pytest.mark.parametrize(
    ("last", "assuming", "expected"), [(0.8, 0.7, HOLDS), (0.8, 0.99, CORRECTED), (0.91, 0.99, FAILS)]
)
def test_independence(last: float, assuming: float, expected: Verdict) -> None:
    first = recalls(monte_carlo_normalized=0.91, bayes=0.99, bayes_assuming_independence=0.99)
    then = recalls(0.002, monte_carlo_normalized=last, bayes=0.99, bayes_assuming_independence=assuming)
    (claim,) = of_independence({"0": first, "32": then}, {"seeds": 20}, no_table)
    assert claim.verdict == expected


@pytest.mark.parametrize(("share", "seeds", "expected"), [(1.0, 5, FAILS), (0.0, 5, HOLDS), (0.05, 20, HOLDS)])
def test_marginals(share: float, seeds: int, expected: Verdict) -> None:
    found = {"cosine": {"b": {"rayleigh": {"rejected": share}, "bingham": {"rejected": 0.0}}}}
    metrics = {"representations": found, "size": {"published_ks": {"8": {"rejected": 0.001}}}}
    (claim,) = of_marginals(metrics, {"seeds": seeds}, no_table)
    assert claim.verdict == expected


def test_lemmas() -> None:
    checks = {"lemma_1": {"holds": True}, "lemma_2": {"holds": True}}
    assert of_lemmas(checks, {}, no_table)[0].verdict == HOLDS
    assert of_lemmas(checks | {"lemma_3": {"holds": False}}, {}, no_table)[0].verdict == FAILS


@pytest.mark.parametrize(
    ("meets", "last", "trials", "expected"),
    [
        (100, 0.9, 5, HOLDS),
        (None, 0.5, 5, OPEN),
        (None, 0.31, 5, OPEN),
        (None, 0.27, 5, FAILS),
        (None, 0.27, 1, OPEN),
    ],
)
def test_scaling(meets: int | None, last: float, trials: int, expected: Verdict) -> None:
    sizes = {"1": 0.1, "100": 0.3, "1000": last}
    uniform = {size: {"recall_at_1": value, "ci95": HALF} for size, value in sizes.items()}
    found = {"direct": 0.9, "uniform": uniform, "meets_direct": {"uniform": meets}}
    params = {"largest": 1000, "trials": trials}
    (claim,) = of_scaling({"model": found}, params, no_table)
    assert claim.verdict == expected
    assert of_scaling({"files": {}}, params, no_table) == []  # two spaces: direct is not defined


@pytest.mark.parametrize(
    ("direct", "bridge", "joint", "seeds", "expected"),
    [
        (0.1, 0.95, 0.97, 5, [HOLDS, HOLDS]),
        (0.1, 0.6, 0.97, 5, [HOLDS, FAILS]),
        (0.5, 0.6, 0.97, 5, [CORRECTED, FAILS]),
        (0.1, 0.1, 0.97, 5, [OPEN, FAILS]),
        (0.1, 0.95, 0.97, 1, [OPEN, OPEN]),
    ],
)
def test_bridging(direct: float, bridge: float, joint: float, seeds: int, expected: list[Verdict]) -> None:
    methods = recalls(direct_disparate=direct, monte_carlo_disparate=bridge, direct_joint=joint)
    for entry in methods.values():
        del entry["seeds"]
    found = of_bridging({"digits": {"audio_to_image": methods}}, {"seeds": seeds}, no_table)
    assert [claim.verdict for claim in found] == expected


def mazes(gains: dict[str, tuple[float, float]], left: float, spl: float = 0.01) -> Callable[[str], pd.DataFrame]:
    rows = [
        {"maze": maze, "success_gain": sum(gain) / 2, "success_gain_low": gain[0], "success_gain_high": gain[1]}
        for maze, gain in gains.items()
    ]
    first = pd.DataFrame({"policy": ["direct", "monte_carlo"], "left_first": [0.0, left], "right_first": [1.0, 0.0]})
    return lambda stem: pd.DataFrame(rows).assign(spl_gain_high=spl) if stem == "maze_claims" else first


@pytest.mark.parametrize(
    ("csv", "seeds", "expected"),
    [
        (mazes({"fork": (0.2, 0.3), "blank": (0.1, 0.2)}, 1.0), 8, [HOLDS, HOLDS]),
        (mazes({"fork": (0.2, 0.3), "blank": (0.1, 0.2)}, 1.0, -0.01), 8, [HOLDS, CORRECTED]),
        (mazes({"fork": (0.2, 0.3), "blank": (-0.1, 0.2)}, 0.5), 8, [FAILS, CORRECTED]),
        (mazes({"fork": (-0.2, 0.1)}, 0.5), 8, [FAILS, FAILS]),
        (mazes({"fork": (0.2, 0.3)}, 1.0), 2, [OPEN, OPEN]),
    ],
)
def test_maze(csv: Callable[[str], pd.DataFrame], seeds: int, expected: list[Verdict]) -> None:
    assert [claim.verdict for claim in of_maze({}, {"seeds": seeds}, csv)] == expected


@pytest.mark.parametrize(
    ("normalised", "distilled", "behind", "seeds", "expected"),
    [
        (0.42, 0.62, 0.01, 20, [HOLDS, HOLDS, HOLDS]),
        (0.42, 0.30, 0.02, 20, [HOLDS, FAILS, FAILS]),
        (0.36, 0.37, 0.0, 20, [FAILS, HOLDS, OPEN]),
        (0.40, 0.62, 0.01, 2, [OPEN, OPEN, HOLDS]),
    ],
)
def test_peers(normalised: float, distilled: float, behind: float, seeds: int, expected: list[Verdict]) -> None:
    methods = recalls(monte_carlo=0.4, monte_carlo_normalized=normalised, distilled=distilled)
    table = pd.DataFrame({"world": ["disparate"], "method": ["distilled"], "behind_best": [behind]})
    found = of_peers({"disparate": methods, "xor": {}}, {"seeds": seeds}, lambda stem: table)
    assert [claim.verdict for claim in found] == expected


def metrics_of_diagnosis(regret: float, error: float) -> dict[str, Any]:
    return {"choice": {"x": {"regret": regret}}, "predicted": {"mean_absolute_error": error, "coverage": 0.9}}


@pytest.mark.parametrize(
    ("regret", "error", "seeds", "expected"),
    [(0.005, 0.02, 10, [HOLDS, HOLDS]), (0.02, 0.06, 10, [FAILS, FAILS]), (0.005, 0.02, 2, [OPEN, OPEN])],
)
def test_diagnosis(regret: float, error: float, seeds: int, expected: list[Verdict]) -> None:
    found = of_diagnosis(metrics_of_diagnosis(regret, error), {"seeds": seeds}, no_table)
    assert [claim.verdict for claim in found] == expected


@pytest.mark.parametrize(
    ("behind", "found", "seeds", "expected"),
    [
        (0.01, (0.97, 0.96), 5, [HOLDS, HOLDS]),
        (0.03, (0.97, 0.9), 5, [CORRECTED, CORRECTED]),
        (None, (0.8, 0.9), 5, [HOLDS, FAILS]),
        (0.01, (0.97, 0.96), 2, [OPEN, HOLDS]),
    ],
)
def test_distillation(behind: float | None, found: tuple[float, float], seeds: int, expected: list[Verdict]) -> None:
    ways = zip(("student", "barycentre"), found, strict=True)
    index = {way: [{"recall": 0.1, "depth": 10}, {"recall": recall, "depth": 1000}] for way, recall in ways}
    worst = None if behind is None else {"behind": behind}
    metrics = {"few": {"x": {"worst": worst}, "y": {"worst": {"behind": 0.01}}}, "index": index}
    params = {"seeds": seeds, "index": {"candidates": 50000}}
    assert [claim.verdict for claim in of_distillation(metrics, params, no_table)] == expected


@pytest.mark.parametrize(
    ("new", "supervised", "splits", "expected"),
    [
        (0.15, 0.07, 5, [HOLDS, HOLDS]),
        (0.06, 0.07, 5, [HOLDS, OPEN]),
        (0.02, 0.07, 5, [OPEN, FAILS]),
        (0.15, 0.07, 1, [OPEN, OPEN]),
    ],
)
def test_stamps(new: float, supervised: float, splits: int, expected: list[Verdict]) -> None:
    tasks = {
        "heard_words": recalls(direct=0.02, monte_carlo=0.3),
        "new_words": recalls(direct=0.02, monte_carlo=new, supervised=supervised),
    }
    for entry in (*tasks["heard_words"].values(), *tasks["new_words"].values()):
        entry["splits"] = splits
        del entry["seeds"]
    assert [claim.verdict for claim in of_bridging({"stamps": tasks}, {"seeds": 5}, no_table)] == expected
