"""Shared noise, tiny, from end to end."""

import pandas as pd
import pytest

from ucl.experiments.independence import summary as summaries
from ucl.experiments.independence.config import Independence
from ucl.experiments.independence.training import run

TINY = {
    "seeds": 2, "dims": {"a": 6, "b": 4, "c": 6}, "noise": 0.5, "pairs": 96, "validation": 32, "bank": 60,
    "dimension": 3, "log_scale": 0.01, "norm_penalty": 0.0, "epochs": 2, "batch_size": 32, "learning_rate": 0.01,
    "decay_epoch": 1, "candidates": 8, "memory": 40, "distil_steps": 3,
}  # fmt: skip


def test_independence_end_to_end():
    params = Independence(**TINY, shared_noise=[0.0, 2.0])
    table = pd.concat([run(params, noise, progress=False) for noise in params.shared_noise])
    summary = summaries.summarise(table)
    assert set(summary) == {"0", "2"}
    assert summary["0"]["bayes"] == summary["0"]["bayes_assuming_independence"]
    row = summaries.tabulate(summary).iloc[1]
    assert row["unavoidable"] + row["added"] == pytest.approx(row["bayes"] - row["monte_carlo_normalized"])
