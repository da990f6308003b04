"""`scaling` against brute force, and with embedding files of other models."""

import math
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import torch

from ucl import InputError
from ucl.experiments.params import load_params
from ucl.experiments.scaling.config import Scaling, ScalingRun
from ucl.experiments.scaling.figures import draw_table
from ucl.experiments.scaling.scoring import bank_sizes, score_model, score_shard
from ucl.experiments.scaling.summary import fit_slope, summarise, tabulate
from ucl.experiments.scaling.training import embed_world
from ucl.experiments.scaling.trials import trial_rows

RUN = ScalingRun(seed=0, trials=2, candidates=30, queries=20, largest=500, sizes=5)


def embeddings(pairs: int = 40, shared: bool = True) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    a, noise, b1, b2 = (torch.randn(n, 4, generator=draw) for n in (pairs, pairs, 500, 500))
    scale = torch.tensor([9.0], dtype=torch.float64)
    tensors = {"a": a, "c": a + 0.1 * noise, "b_for_a": b1, "scale_ab": scale, "scale_bc": 0.5 * scale}
    return tensors if shared else tensors | {"b_for_c": b2}


def test_sizes_are_log_spaced_from_one_to_the_largest() -> None:
    sizes = bank_sizes(500_000, 20)
    assert (sizes[0], sizes[-1], len(sizes)) == (1, 500_000, 20)
    assert max(b / a for a, b in pairwise(sizes)) <= 2.0


def test_nested_banks_equal_scoring_each_bank_whole() -> None:
    e = embeddings()
    table = score_model(RUN, e, progress=False)
    rows = trial_rows(40, RUN)[1]
    order = torch.randperm(500, generator=_orderstream(1))
    x, y, b = (torch.nn.functional.normalize(e[n].double(), dim=1) for n in ("a", "c", "b_for_a"))
    for samples in bank_sizes(500, 5)[1:]:  # with one sample all normalised scores tie
        s, t = 9 * x[rows[:20]] @ b[order[:samples]].T, 4.5 * y[rows] @ b[order[:samples]].T
        plain = torch.logsumexp(s[:, None] + t[None], -1)
        for method, scores in (("real", plain), ("real_normalized", plain - t.logsumexp(1))):
            found = table[(table["method"] == method) & (table["samples"] == samples) & (table["trial"] == 1)]
            hits = (scores.argmax(1) == torch.arange(20)).double().mean()
            assert float(found["recall_at_1"].iloc[0]) == pytest.approx(float(hits))


@pytest.mark.parametrize(("count", "shared"), [(2, False), (5, True)])
def test_banks_in_shards_are_banks_in_one_piece(tmp_path: Path, count: int, shared: bool) -> None:
    """More shards than sizes inside some of them, two kinds of banks, and errors of normalised scores."""
    e, folders = embeddings(shared=shared), [tmp_path / f"{i + 1}-of-{count}" for i in range(count)]
    for i, folder in enumerate(folders):
        score_shard(RUN, e, (i, count), folder, progress=False)
    whole, merged = score_model(RUN, e, False), score_model(RUN, e, False, folders)
    pd.testing.assert_frame_equal(merged, whole, rtol=1e-5)
    folders[1].rename(tmp_path / "away")
    with pytest.raises(InputError, match="no such file"):
        score_model(RUN, e, False, folders)


def _orderstream(trial: int) -> torch.Generator:
    from ucl.experiments.scaling.trials import stream

    return stream(RUN, "order", trial)


def test_direct_and_closed_form_rank_alike_where_there_is_one_space() -> None:
    summary = summarise(
        {"one": score_model(RUN, embeddings(), False), "two": score_model(RUN, embeddings(shared=False), False)}
    )
    assert summary["one"]["direct"] == summary["one"]["closed_form"] > 0.9
    assert "direct" not in summary["two"]
    assert set(summary["one"]["real"]) == {str(m) for m in bank_sizes(500, 5)}


def test_a_trial_takes_rows_of_its_own_while_there_are_enough() -> None:
    blocks = trial_rows(60, RUN)
    assert not set(blocks[0].tolist()) & set(blocks[1].tolist())
    few = trial_rows(40, RUN)
    assert all(len(set(rows.tolist())) == 30 for rows in few)
    with pytest.raises(InputError, match="30 pairs"):
        trial_rows(20, RUN)


def test_slope_of_a_known_power() -> None:
    rows = pd.DataFrame({"samples": [1, 10, 300, 1000, 3000], "standard_error": [math.nan, 1.0, 0.5, 0.1, 0.0577350]})
    rows.loc[2, "standard_error"] = 0.1 * (1000 / 300) ** 0.5
    assert fit_slope(rows) == pytest.approx(-0.5, abs=1e-4)  # of 300 to 3,000 alone
    assert fit_slope(rows[:1]) is None


def test_a_trained_world_end_to_end(tmp_path) -> None:
    whole = load_params("params.yaml").scaling.model_dump()
    small = {"trials": 2, "candidates": 30, "queries": 20, "largest": 300, "sizes": 4, "pairs": 500, "epochs": 2,
             "decay_epoch": 2}  # fmt: skip
    params = Scaling.model_validate(whole | small)
    scores = {}
    for model in params.models:
        e = embed_world(params, model, torch.device("cpu"), progress=False)
        assert e["exact"].shape == (2, 20, 30)
        scores[model] = score_model(params, e, progress=False)
    summary = summarise(scores)
    assert summary["language"]["ground_truth"] > 0.9
    draw_table(tabulate(scores), tmp_path, 30, 2)
    assert (tmp_path / "scaling_recall.svg").stat().st_size > 10_000
