"""The bookkeeping of `distillation` against hand-worked tables; its parts end to end on a tiny scale."""

from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from ucl.errors import InputError
from ucl.experiments.distillation import finding, scoring, summary
from ucl.experiments.distillation.config import Condition, Distillation, Finding
from ucl.experiments.learned import learn_scene
from ucl.experiments.params import validate
from ucl.files import write_parquet
from ucl.worlds.kinds import KindsWorld

FEW = {"scenes": ["disparate", "gaussian_dot"], "banks": [30], "samples": [24]}
INDEX = {
    "candidates": 60, "queries": 3, "kinds": 4, "width": 6, "noise": 0.1, "scales": [20.0, 9.0], "bank": 40,
    "samples": 40, "depths": [10, 60],
}  # fmt: skip
TINY = {
    "seeds": 2, "dims": {"a": 6, "b": 4, "c": 6}, "noise": 0.5, "pairs": 160, "validation": 32, "bank": 40,
    "dimension": 4, "log_scale": 0.01, "norm_penalty": 0.0, "epochs": 1, "batch_size": 32, "learning_rate": 0.01,
    "decay_epoch": 1, "candidates": 8, "shared_noise": 1.0, "scenes": ["disparate"], "samples": 30, "steps": 3,
    "wide": {"width": 8, "learning_rate": 0.01}, "xor": {"bits": 4, "noise": 0.3},
    "multimodal": {"circles": 1, "positions": 12, "noise": 0.1, "noise_b": 0.02},
    "banks": [40, 50], "samples_from": [24, 30], "steps_from": [2, 3], "few": FEW, "index": INDEX,
}  # fmt: skip


def test_every_condition_is_asked_once_and_where_it_is_to_be() -> None:
    params = Distillation(**TINY)
    curves, few = [(40, 30, 3), (50, 30, 3), (40, 24, 3), (40, 30, 2)], [(30, 24, 3)]
    assert params.every_scene == ["disparate", "gaussian_dot"]
    assert params.conditions("disparate") == curves + few
    assert params.conditions("gaussian_dot") == few
    assert (params.most("disparate"), params.most("gaussian_dot")) == ((50, 30), (30, 24))


def test_a_scene_is_learned_and_played(monkeypatch) -> None:
    monkeypatch.setattr(scoring, "OTHERS", scoring.OTHERS[:1])  # C-MCR takes its 200 steps whatever the scale
    params = Distillation(**TINY)
    tensors = learn_scene(params, "disparate", bank=50, memory=30, progress=False).tensors
    assert tensors["for_a"].shape == (2, 50, 4)
    assert tensors["memory_c"].shape == (2, 30, 4)
    conditions = [Condition(50, 24, 3), Condition(40, 30, 2)]
    played = scoring.play(params, "disparate", conditions, tensors, progress=False)
    chosen = played.pivot_table(index=["bank", "samples", "steps", "seed"], columns="method", values="recall_at_1")
    either = (chosen["distilled"] == chosen["distilled_linear"]) | (chosen["distilled"] == chosen["distilled_hidden"])
    assert either.all()
    assert len(chosen) == 4
    assert chosen["monte_carlo"].notna().sum() == 2  # not trained in steps: at the usual number alone
    assert played["recall_at_1"].between(0, 1).all()


def test_all_reranked_finds_all() -> None:
    found = finding.find(Finding(**INDEX), steps=2, progress=False)
    assert set(found["way"]) == {"distilled_linear", "distilled_hidden", "barycentre"}
    assert (found[found["depth"] == 60]["recall"] == 1).all()
    assert len(found) == 3 * 2 * 3


def rows(method, recalls, refuses=False, scene="disparate", bank=30):
    return [(bank, 24, 3, seed, method, recall, refuses, scene) for seed, recall in enumerate(recalls)]


PLAYED = pd.DataFrame(
    rows("distilled_linear", [0.4, 0.6]) + rows("distilled_hidden", [0.2, 0.6]) + rows("c_mcr", [0.9, 0.9])
    + rows("distilled", [0.2, 0.6], refuses=True) + rows("monte_carlo", [0.3, 0.3])
    + rows("monte_carlo_normalized", [0.1, 0.1])
    + rows("distilled_linear", [0.1, 0.1], scene="gaussian_dot") + rows("c_mcr", [0.0, 0.0], scene="gaussian_dot")
    + rows("distilled_hidden", [0.3, 0.4], scene="gaussian_dot") + rows("distilled", [0.3, 0.4], scene="gaussian_dot")
    + rows("monte_carlo", [0.5, 0.4], scene="gaussian_dot")
    + rows("monte_carlo_normalized", [0.2, 0.2], scene="gaussian_dot")
    + rows("distilled", [0.7, 0.9], bank=40),  # a condition of the curves alone
    columns=[*scoring.COLUMNS, "scene"],
)  # fmt: skip


def test_what_few_samples_cost_by_hand() -> None:
    own = summary.means(PLAYED).set_index(["scene", "bank", "method"])
    assert own.loc[("disparate", 30, "distilled_linear"), "recall_at_1"] == pytest.approx(0.5)
    half = 12.706 * 0.1  # t of one degree of freedom
    assert own.loc[("disparate", 30, "distilled_linear"), "ci95"] == pytest.approx(half, abs=1e-3)
    found = summary.few(PLAYED, TINY)
    asked, other = found.to_dict("records")
    assert asked["behind"] == pytest.approx(0.1)  # the best capacity is .5; C-MCR takes no part
    assert (asked["refuses"], other["refuses"]) == (1, 0)
    assert (other["scene"], other["best"]) == ("gaussian_dot", "monte_carlo")
    assert other["behind"] == pytest.approx(0.1)  # .2 and 0
    assert other["ci95"] == pytest.approx(half, abs=1e-3)
    worst = summary.worst(found)
    assert worst["disparate"] == {"worst": None, "refuses": 1}
    assert worst["gaussian_dot"]["worst"]["behind"] == pytest.approx(0.1)


def test_a_scene_of_few_samples_alone_has_no_curve(tmp_path) -> None:
    scores = []
    for scene, own in PLAYED.groupby("scene"):
        scores.append(tmp_path / f"{scene}.parquet")
        write_parquet(own.drop(columns="scene"), scores[-1])
    searched = {"way": ["distilled_linear"], "depth": [10], "query": [0], "recall": [0.9], "milliseconds": [1.0]}
    write_parquet(pd.DataFrame(searched), tmp_path / "index.parquet")
    files = {"scores": scores, "index": [tmp_path / "index.parquet"]}
    found = summary.collect(files, TINY | {"samples": 24})
    assert set(found.tables["distillation"]["scene"]) == set(found.metrics["usual"]) == {"disparate"}
    assert found.metrics["usual"]["disparate"]["distilled"]["recall_at_1"] == pytest.approx(0.8)
    runs = {run.name: run.metrics["recall_at_1"] for run in found.runs}
    assert runs["gaussian_dot monte_carlo samples, bank 30"] == [[24, pytest.approx(0.45)]]
    assert runs["disparate distilled bank"] == [[30, pytest.approx(0.4)], [40, pytest.approx(0.8)]]
    assert len(runs) == len(found.runs)


def test_samples_must_be_there() -> None:
    config = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    config["distillation"]["samples_from"] = [10_000]
    with pytest.raises(InputError, match=r"training pairs \(5000\): got 10000"):
        validate(config)


def test_kinds_are_around_their_directions() -> None:
    world = KindsWorld.at_random(3, 50, 0.01, torch.Generator().manual_seed(0))
    for_a, for_c = world.bank(30, torch.Generator().manual_seed(1))
    near_a, near_c = (x @ world.centres[side].T for side, x in enumerate((for_a, for_c)))
    assert torch.equal(near_a.argmax(1), near_c.argmax(1))
    assert (near_a.amax(1) > 0.98).all()
    torch.testing.assert_close(for_c.norm(dim=1), torch.ones(30))
