"""The bookkeeping against hand-worked tables, the parts end to end on a tiny scale, standard errors against a law."""

import copy
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from torch.nn.functional import normalize

from ucl.errors import InputError
from ucl.experiments.diagnosis import defects, figures, reliability, scoring, summary, training
from ucl.experiments.diagnosis.config import Defects, Judging
from ucl.experiments.params import validate
from ucl.files import write_json, write_parquet
from ucl.reporting import report
from ucl.reporting.tables import save_table
from ucl.runtime import generator

TINY = {
    "seeds": 2, "dims": {"a": 6, "b": 4, "c": 6}, "noise": 0.5, "pairs": 96, "validation": 64, "bank": 60,
    "dimension": 4, "log_scale": 0.01, "norm_penalty": 0.0, "epochs": 2, "batch_size": 32, "learning_rate": 0.01,
    "decay_epoch": 1, "candidates": 8, "shared_noise": 1.0, "wide": {"width": 8, "learning_rate": 0.01},
    "multimodal": {"circles": 1, "positions": 12, "noise": 0.1, "noise_b": 0.02}, "xor": {"bits": 4, "noise": 0.3},
    "samples": 60, "held_out": 50, "shift": 4.0, "large_bank": {"samples": 100, "rows": 5}, "opponents": 50,
    "known_pairs": {"counts": [10, 20], "draws": 3},
}  # fmt: skip


@pytest.mark.parametrize("case", ["disparate", "dependent_2.0"])
def test_a_case_is_learned_and_judged(case: str) -> None:
    params = Judging(**TINY)
    tensors = training.learn(params, case, progress=False)
    assert tensors["pairs_for_a"].shape == (2, 100, 4)  # B of A's pairs, then of C's
    assert not torch.equal(tensors["samples_a"][:, :5], tensors["a"][:, :5])
    assert ("large_pairs" in tensors) == (case == "disparate")
    judged = scoring.judge(params, case, tensors, progress=False)
    methods = set(judged.predictions["method"])
    assert {"direct", "monte_carlo_normalized", "c_mcr"} <= methods
    assert "asif" not in methods
    assert len(judged.predictions) == 2 * 2 * len(methods)
    assert judged.predictions.loc[~judged.predictions["pairs"], "bound"].all()
    assert list(judged.verdicts["seed"]) == [0, 1]
    assert (judged.tests.groupby(["seed", "pairs"]).size() == 3).all()


def test_the_size_of_the_shared_noise_is_that_of_the_case() -> None:
    assert Judging(**TINY).of_case("dependent_16.0")[1].shared_noise == 16.0
    assert Judging(**TINY).of_case("dependent")[1].shared_noise == 1.0


def embeddings(critic_scale: float, width: int, **own: torch.Tensor) -> dict[str, torch.Tensor]:
    """What `training.learn` would leave of one seed; what is not given does not matter."""
    names = ("a", "c", "samples_a", "samples_c", "far_for_a", "far_for_c", "pairs_a", "pairs_c")
    found = {name: torch.zeros(1, 1, width) for name in names}
    found |= {"pairs_for_a": torch.zeros(1, 2, width), "pairs_for_c": torch.zeros(1, 2, width)}
    return found | {"scale_ab": torch.tensor([critic_scale])} | {"scale_bc": torch.tensor([critic_scale])} | own


def test_standard_errors_are_held_against_the_law_of_the_bank() -> None:
    draw = lambda *shape: torch.randn(1, *shape, generator=generator(7))  # noqa: E731
    a, c, bank = 0.5 * draw(40, 3), 0.5 * draw(80, 3)[:, 40:], draw(10_000, 3)[:, 5000:]
    square = lambda x: x.double().square().sum(-1) / 2  # noqa: E731  # log E exp <x, b> of a normal b
    large = {"large_pairs": square(a[:, :, None] + c[:, None]), "large_a": square(a), "large_c": square(c)}
    tensors = embeddings(1.0, 3, a=a, c=c, for_a=bank, for_c=bank, **large)
    table = reliability.cover("gaussian_dot", tensors, progress=False)
    assert list(table["normalized"]) == [False, True]
    assert (table["entries"] == 1600).all()
    assert (table["reliable"] > 1000).all()
    assert (table["covered"] / table["reliable"]).between(0.8, 1).all()  # entries share a bank
    wrong = reliability.cover("gaussian_dot", tensors | {"large_pairs": large["large_pairs"] + 1}, progress=False)
    assert (wrong["covered"] < 0.5 * wrong["reliable"]).all()


def test_defects_are_made_and_looked_for() -> None:
    draw = lambda *shape: torch.randn(*shape, generator=generator(8))  # noqa: E731
    centres, turn = draw(40, 8), torch.linalg.qr(draw(16, 16)[8:, 8:]).Q
    rows = lambda n, key: normalize(centres[torch.arange(n) % 40] + 0.3 * torch.randn(n, 8, generator=generator(key)))  # noqa: E731
    b = {"for_a": rows(210, 1), "far_for_a": rows(210, 2) + 3, "samples_a": rows(60, 3), "pairs_a": rows(80, 4)}
    b |= {name.replace("_a", "_c"): x @ turn for name, x in b.items()}
    b |= {"pairs_for_a": rows(160, 5), "pairs_for_c": rows(160, 6) @ turn}
    tensors = embeddings(8.0, 8, **{name: x[None] for name, x in b.items()})
    asked = Defects(scenes=["disparate"], queries=50, pairs=50, banks=[60], displaced=[1.0])
    table = defects.spoil(asked, "disparate", tensors, progress=False).set_index("defect")
    scales = ["scale_tenth", "scale_tenfold", "scale_logarithm"]
    assert list(table.index) == [*scales, "displaced_100", "bank_60", "elsewhere", "repeats", "swapped"]
    assert table.loc[["displaced_100", "scale_tenth", "repeats"], "found"].all()
    assert not table.loc[["displaced_100", "repeats"], "false_alarm"].any()


def test_so_many_rows_are_displaced() -> None:
    order = defects._displaced(200, 0.1, generator(3))
    assert sorted(order.tolist()) == list(range(200))
    assert int((order != torch.arange(200)).sum()) == 20


# --- bookkeeping ----------------------------------------------------------------------------------------------------


def predicted(**methods: list[tuple[float, float]]) -> pd.DataFrame:
    """`method=[(predicted, actual) of each seed]`, intervals of +- .1, with pairs, and low by .1 without."""
    rows = []
    for method, seeds in methods.items():
        for seed, (level, actual) in enumerate(seeds):
            for pairs, p in ((True, level), (False, level - 0.1)):
                rows.append((seed, method, pairs, p, p - 0.1, p + 0.1, not pairs, actual))
    return pd.DataFrame(rows, columns=["seed", "method", "pairs", "predicted", "low", "high", "bound", "actual"])


def verdicts(*methods: str) -> pd.DataFrame:
    said = ["direct" if m == "direct" else "bridge" if m else "cannot tell" for m in methods]
    return pd.DataFrame({"seed": range(len(methods)), "verdict": said, "method": methods})


FRAMES = {
    "gaussian_l2": predicted(direct=[(0.5, 0.55), (0.6, 0.65)], c_mcr=[(0.5, 0.75), (0.6, 0.75)]),
    "dependent_16.0": predicted(direct=[(0.1, 0.1), (0.1, 0.1)], c_mcr=[(0.5, 0.5), (0.5, 0.4)]),
}
VERDICTS = {"gaussian_l2": verdicts("direct", "c_mcr"), "dependent_16.0": verdicts("c_mcr", "")}
TESTS = {
    case: pd.DataFrame({"seed": 0, "pairs": [10, 10, 20, 20], "draw": [0, 1, 0, 1], "p_value": p})
    for case, p in (("gaussian_l2", [0.04, 0.5, 0.5, 0.5]), ("dependent_16.0", [0.04, 0.5, 0.01, 0.02]))
}
SPOILT = {"gaussian_l2": pd.DataFrame({"seed": [0, 1], "defect": "repeats", "found": [1, 1], "false_alarm": [0, 1]})}
COVERED = {
    "gaussian_l2": pd.DataFrame(
        {"seed": [0, 1], "normalized": True, "entries": 10, "reliable": [5, 0], "covered": [4, 0], "covered_all": 6}
    )
}


def test_regret_by_hand() -> None:
    found = summary.choices(FRAMES, VERDICTS, among=10).set_index(["case", "seed"])
    assert (found["best"] == "c_mcr").all()
    assert found.loc[("gaussian_l2", 0), "regret"] == pytest.approx(0.2)  # direct was advised
    assert found.loc[("gaussian_l2", 1), "regret"] == 0
    assert found.loc[("dependent_16.0", 1), "regret"] == pytest.approx(0.3)  # no method: chance, .1 of .4


def test_errors_of_predictions_by_hand() -> None:
    found = summary.predictions(FRAMES).set_index(["case", "pairs"])
    assert found.loc[("gaussian_l2", True), "mean_absolute_error"] == pytest.approx((0.05 * 2 + 0.25 + 0.15) / 4)
    assert found.loc[("gaussian_l2", True), "coverage"] == 0.5
    assert found.loc[("gaussian_l2", False), "recall_holds"] == 1
    assert found.loc[("dependent_16.0", True), "recall_holds"] == 0.75


def test_metrics_figures_and_page_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {}
    kinds = {"predictions": FRAMES, "verdicts": VERDICTS, "tests": TESTS, "defects": SPOILT, "covered": COVERED}
    for kind, frames in kinds.items():
        files[kind] = [tmp_path / f"{case}.{kind}.parquet" for case in frames]
        for frame, path in zip(frames.values(), files[kind], strict=True):
            write_parquet(frame, path)
    section = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["diagnosis"]
    found = summary.collect(files, section | {"candidates": 10})
    assert found.metrics == {
        "choice": {
            "gaussian_l2": {"regret": pytest.approx(0.1), "best": "c_mcr", "chosen": "c_mcr"},
            "dependent_16.0": {"regret": pytest.approx(0.15), "best": "c_mcr", "chosen": "c_mcr"},
        },
        "predicted": {"mean_absolute_error": pytest.approx(0.075), "coverage": pytest.approx(0.75)},
        "defects": {"repeats": {"found": 1.0, "false_alarms": 0.5}},
        "assumption_1": {"size": 0.25, "power": {"dependent_16.0": {"10": 0.5, "20": 1.0}}},
        "standard_error": {"coverage_reliable": pytest.approx(0.8), "share_reliable": pytest.approx(0.25)},
    }
    assert found.headline["wrong_direct"] == 0.25
    assert len(found.headline) == 8
    folder = tmp_path / "reports"
    for stem, table in found.tables.items():
        save_table(table, folder / "tables" / stem)
    write_json(found.metrics, folder / "metrics/diagnosis.json")
    for name, frame in found.frames.items():
        write_parquet(frame, tmp_path / f"{name}.parquet")
    drawn = {name: [tmp_path / f"{name}.parquet"] for name in ("points", "choices")}
    figures.draw(drawn | {"tests": [folder / "tables/diagnosis_assumption_1.csv"]}, section, folder / "figures")
    params = {"diagnosis": section}
    report.render(["diagnosis"], params, params, *(folder / name for name in ("README.md", "index.html", "claims.txt")))
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "loses 0.125 of Recall@1" in text
    assert "in 25.0 % of the draws: more than the 5 % it should" in text
    assert "A, C share noise, sd 16" in text


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("opponents", 3000, "opponents must be at most samples (2000): got 3000"),
        ("scenes", ["xor"], "defects.scenes must be among scenes: got disparate, multimodal"),
    ],
)
def test_wrong_values(key: str, value: object, message: str) -> None:
    config = copy.deepcopy(yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8")))
    config["diagnosis"][key] = value
    with pytest.raises(InputError, match="diagnosis: ") as caught:
        validate(config)
    assert message in str(caught.value)
