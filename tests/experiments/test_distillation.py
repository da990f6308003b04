"""The bookkeeping of `distillation` against hand-worked tables; its parts end to end on a tiny scale."""

from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from ucl.errors import InputError
from ucl.experiments.distillation import finding, scoring, summary
from ucl.experiments.distillation.config import Distillation, Finding
from ucl.experiments.learned import learn_scene
from ucl.experiments.params import validate
from ucl.worlds.kinds import KindsWorld

FEW = {"banks": [30], "samples": [24]}
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


def test_every_condition_is_asked_once() -> None:
    found = scoring.conditions(Distillation(**TINY))
    assert found == [(40, 30, 3), (50, 30, 3), (40, 24, 3), (40, 30, 2), (30, 24, 3)]


def test_a_scene_is_learned_and_played(monkeypatch) -> None:
    monkeypatch.setattr(scoring, "OTHERS", scoring.OTHERS[:1])  # C-MCR takes its 200 steps whatever the scale
    params = Distillation(**TINY)
    sizes = {"bank": params.largest_bank, "memory": params.most_samples}
    tensors = learn_scene(params, "disparate", **sizes, progress=False).tensors
    assert tensors["for_a"].shape == (2, 50, 4)
    assert tensors["memory_c"].shape == (2, 30, 4)
    played = scoring.play(params, "disparate", tensors, progress=False)
    chosen = played.pivot_table(index=["bank", "samples", "steps", "seed"], columns="method", values="recall_at_1")
    either = (chosen["distilled"] == chosen["distilled_linear"]) | (chosen["distilled"] == chosen["distilled_hidden"])
    assert either.all()
    assert len(chosen) == 10
    assert chosen["monte_carlo"].notna().sum() == 8  # not trained in steps: at the usual number alone
    assert played["recall_at_1"].between(0, 1).all()


def test_all_reranked_finds_all() -> None:
    found = finding.find(Finding(**INDEX), steps=2, progress=False)
    assert set(found["way"]) == {"distilled_linear", "distilled_hidden", "barycentre"}
    assert (found[found["depth"] == 60]["recall"] == 1).all()
    assert len(found) == 3 * 2 * 3


def rows(method, recalls, weak=False):
    return [(30, 24, 3, seed, method, recall, weak) for seed, recall in enumerate(recalls)]


def test_what_few_samples_cost_by_hand() -> None:
    played = rows("distilled_linear", [0.4, 0.6]) + rows("distilled_hidden", [0.2, 0.6]) + rows("c_mcr", [0.9, 0.9])
    played += rows("distilled", [0.2, 0.6], weak=True) + rows("monte_carlo", [0.3, 0.3])
    played += rows("monte_carlo_normalized", [0.1, 0.1])
    means = summary.means({"disparate": pd.DataFrame(played, columns=scoring.COLUMNS)})
    own = means.set_index("method")
    assert own.loc["distilled_linear", "recall_at_1"] == pytest.approx(0.5)
    assert own.loc["distilled_linear", "ci95"] == pytest.approx(12.706 * 0.1, abs=1e-3)  # t of one degree of freedom
    (row,) = summary.few(means, TINY).to_dict("records")
    assert row["behind"] == pytest.approx(0.1)  # the best capacity is .5; C-MCR takes no part
    assert row["refuses"] == 1


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
