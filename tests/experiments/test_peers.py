"""The contest's bookkeeping against hand-worked tables; its parts end to end on a tiny scale; the page it leads to."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from matplotlib.axes import Axes
from scipy import stats

from ucl.experiments.peers import figures, scoring, training
from ucl.experiments.peers import summary as summaries
from ucl.experiments.peers.config import Peers
from ucl.experiments.peers.methods import OF_WORLDS
from ucl.experiments.peers.which_bridge import write
from ucl.experiments.scenes import SCENES
from ucl.files import read_json

TINY = {
    "seeds": 2, "dims": {"a": 6, "b": 4, "c": 6}, "noise": 0.5, "pairs": 96, "validation": 32, "bank": 40,
    "dimension": 4, "log_scale": 0.01, "norm_penalty": 0.0, "epochs": 2, "batch_size": 32, "learning_rate": 0.01,
    "decay_epoch": 1, "candidates": 8, "memory": 24, "distil_steps": 4, "shared_noise": 1.0, "scenes": list(SCENES),
    "wide": {"width": 8, "learning_rate": 0.01}, "xor": {"bits": 4, "noise": 0.3},
    "multimodal": {"circles": 1, "positions": 12, "noise": 0.1, "noise_b": 0.02},
}  # fmt: skip


def table(**recalls):
    rows = [(i, method, value, 0.1) for method, values in recalls.items() for i, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["seed", "method", "recall_at_1", "seconds"])


WORLD = table(
    direct=[0.5, 0.7, 0.6], one_hop=[0.5, 0.6, 0.7], ridge=[0.1, 0.1, 0.1], bayes=[0.9, 1.0, 0.8],
    symile=[0.8, 0.8, 0.8], bayes_given_b=[1.0, 1.0, 1.0],
)  # fmt: skip


def test_summary_by_hand():
    entry = summaries.summarise({"w": WORLD})["w"]
    assert entry["direct"]["recall_at_1"] == pytest.approx(0.6)
    assert entry["direct"]["regret_to_bayes"] == pytest.approx(0.3)
    assert entry["symile"]["regret_to_bayes"] == pytest.approx(0.2)  # against who knows B as well
    interval = stats.t.interval(0.95, 2, 0.6, np.std([0.5, 0.7, 0.6], ddof=1) / math.sqrt(3))
    assert entry["direct"]["ci95"] == pytest.approx(interval[1] - 0.6)
    assert entry["direct"]["seconds"] == pytest.approx(0.1)


def test_verdicts_by_hand():
    found = summaries.verdicts({"w": WORLD}).set_index("method")
    assert set(found.index) == {"direct", "one_hop", "ridge"}  # references take no part
    assert found.loc["one_hop", "ties"]
    assert not found.loc["ridge", "ties"]
    assert found.loc["ridge", "behind_best"] == pytest.approx(0.5)


def test_table_leaves_blank_what_is_not_defined():
    frame = summaries.tabulate(summaries.summarise({"w": WORLD, "v": table(direct=[0.5, 0.5], bayes=[1.0, 1.0])}))
    rows = frame.set_index("method")
    assert rows.loc["ridge", "v"] == ""
    assert rows.loc["direct", "v"] == "0.500 ± 0.000"
    assert list(rows.index[-3:]) == ["bayes", "symile", "bayes_given_b"]


@pytest.mark.parametrize("scene", ["gaussian_squared_l2", "disparate", "multimodal"])
def test_a_scene_is_learned_and_played(scene):
    params = Peers(**TINY)
    tensors = training.learn(params, scene, progress=False)
    assert tensors["for_a"].shape == (2, 40, 4)
    assert torch.equal(tensors["for_a"], tensors["for_c"]) == SCENES[scene].shared
    played = scoring.play(params, scene, tensors, progress=False)
    methods = set(played["method"])
    assert {"distilled", "distilled_linear", "ceiling"} <= methods
    assert ("lemma_3" in methods) == (scene == "gaussian_squared_l2")
    assert ("lemma_2" in methods) == (scene == "multimodal")
    assert played["recall_at_1"].between(0, 1).all()
    assert (played.groupby("method").size() == 2).all()


def test_references_know_more():
    params = Peers(**TINY | {"validation": 96})
    recalls = {
        w: training.refer(params, w, progress=False).groupby("method")["recall_at_1"].mean()
        for w in ("xor", "dependent")
    }
    assert set(recalls["xor"].index) == set(OF_WORLDS)
    assert recalls["xor"]["bayes"] == pytest.approx(1 / 8, abs=0.1)  # nothing to know: chance, not zero
    assert recalls["xor"]["bayes_given_b"] > 0.5
    assert recalls["dependent"]["bayes_given_b"] >= recalls["dependent"]["bayes"]


def test_the_page_holds_the_numbers_and_no_others(tmp_path):
    summary = summaries.summarise({"xor": WORLD.replace({"one_hop": "monte_carlo_normalized"}).pipe(with_truth)})
    verdicts = summaries.verdicts({"xor": WORLD.replace({"one_hop": "monte_carlo_normalized"})})
    verdicts = pd.concat([verdicts, verdicts.assign(world="gaussian_l2")])
    summary["gaussian_l2"] = summary["xor"]
    write(summary, verdicts, TINY, tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "Symile, trained on triples and asked with the query's own B, reaches 0.800 ± 0.000" in text
    assert "| Gaussian, L2 critic | Direct | 0.600" in text
    assert "black boxes" not in text  # a scene that was not played


def with_truth(frame):
    return pd.concat([frame, table(ground_truth=[0.9, 0.9, 0.9])])


def test_the_committed_page_follows_from_the_committed_numbers(tmp_path):
    section = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["peers"]
    summary, verdicts = read_json("reports/metrics/peers.json"), pd.read_csv("reports/tables/peers_all.csv")
    write(summary, verdicts, section, tmp_path / "page.md")
    committed = Path("docs/which-bridge.md").read_text(encoding="utf-8")
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == committed


def test_the_map_of_losses_leaves_a_world_without_a_best_grey(tmp_path, monkeypatch) -> None:
    shown = []
    monkeypatch.setattr(Axes, "imshow", lambda self, values, **_: shown.append(values))
    entry = lambda recall: {"recall_at_1": recall, "ci95": 0.01}  # noqa: E731
    references = {"bayes": entry(0.99), "ground_truth": entry(0.9), "ceiling": entry(0.95)}
    metrics = {
        "disparate": {"direct": entry(0.1), "monte_carlo": entry(0.4), "c_mcr": entry(0.6)} | references,
        "xor": {"direct": entry(0.26), "monte_carlo": entry(0.25)} | references,
    }
    figures.draw_losses(metrics, tmp_path / "losses", candidates=4)
    assert shown[0][:, 0].tolist() == pytest.approx([0.5, 0.2, 0.0])
    assert np.isnan(shown[0][:, 1]).all()
