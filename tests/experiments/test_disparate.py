"""Two black boxes, tiny, from end to end."""

import pytest

from ucl.experiments.disparate import summary as summaries
from ucl.experiments.disparate.config import Disparate
from ucl.experiments.disparate.training import run

TINY = {
    "seeds": 2, "dims": {"a": 6, "b": 4, "c": 6}, "noise": 0.5, "pairs": 96, "validation": 32, "bank": 60,
    "dimension": 3, "log_scale": 0.01, "norm_penalty": 0.0, "epochs": 2, "batch_size": 32, "learning_rate": 0.01,
    "decay_epoch": 1, "candidates": 8, "memory": 40, "distil_steps": 3,
}  # fmt: skip


def test_disparate_end_to_end_and_its_summary():
    params = Disparate(**TINY, dimensions_bc=[5], evaluate_every=1)
    curves, differences = run(params, 5, progress=False)
    assert float(differences["difference"].max()) < 1e-3
    assert sorted(curves["epoch"].unique()) == [0, 1]
    summary = summaries.summarise({params.boxes(5): curves})
    assert set(summary) == {"published", "held_out"}
    last = curves[(curves["epoch"] == 1) & (curves["protocol"] == "held_out") & (curves["method"] == "direct")]
    entry = summary["held_out"]["l2_3_5"]["direct"]
    assert entry["recall_at_1"] == pytest.approx(last["recall_at_1"].sum() / 2)
    assert entry["seeds"] == 2
    assert summary["held_out"]["l2_3_5"]["bayes"]["recall_at_1"] > 0.5
    assert params.boxes(3) == "l2"
    assert len(summaries.tabulate(summary, {"l2_3_5": differences})) == 2
    points = summaries.learning_curves({"l2_3_5": curves})["held_out", "l2_3_5", "direct"]["recall_at_1"]
    assert points[-1] == [1.0, pytest.approx(entry["recall_at_1"])]
    assert "distilled" in summary["held_out"]["l2_3_5"]
    assert "distilled" not in summary["published"]["l2_3_5"]  # that bank holds each query's own B
