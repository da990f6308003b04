"""The experiment's scores against loops written out for a tiny case."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from ucl.experiments.settings import Dims, GaussianTraining
from ucl.experiments.synthetic.data import read_world, sample
from ucl.experiments.synthetic.methods import METHODS
from ucl.experiments.synthetic.scoring import evaluate_candidates, evaluate_epochs, represent
from ucl.experiments.synthetic.summary import best_of_grid, combine, learning_curves, summarise
from ucl.experiments.synthetic.training import train_model
from ucl.runtime import generator
from ucl.worlds.draws import queries_of

PARAMS = GaussianTraining(
    seeds=2,
    dims=Dims(a=6, b=4, c=8),
    noise=1.0,
    pairs=96,
    validation=20,
    bank=30,
    dimension=3,
    log_scale=0.5,
    norm_penalty=0.0,
    epochs=2,
    batch_size=32,
    learning_rate=0.01,
    decay_epoch=1,
    candidates=8,
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data() -> dict[str, torch.Tensor]:
    return sample(PARAMS)


@pytest.fixture(scope="module")
def weights(data: dict[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    return {name: train_model(PARAMS, name, data, CPU, progress=False)[0] for name in ("l2", "cosine", "ground_truth")}


def similarity(critic: str, x: np.ndarray, y: np.ndarray) -> float:
    if critic == "l2":
        return -math.dist(x, y)
    return float(x @ y) / math.sqrt(float(x @ x) * float(y @ y))


def written_out(critic: str, scale: float, a: np.ndarray, c: np.ndarray, bank: np.ndarray, normalize: bool) -> float:
    """Lemma 1's Monte Carlo estimate of one pair, term by term."""
    ab = [scale * similarity(critic, a, b) for b in bank]
    bc = [scale * similarity(critic, c, b) for b in bank]
    score = math.log(sum(math.exp(s + t) for s, t in zip(ab, bc, strict=True)) / len(bank))
    if normalize:
        score -= math.log(sum(map(math.exp, ab)) / len(bank)) + math.log(sum(map(math.exp, bc)) / len(bank))
    return score


def recall_written_out(scores: np.ndarray, groups: int, size: int) -> float:
    hits = 0
    for g in range(groups):
        for i in range(size):
            row = scores[g * size + i, g * size : (g + 1) * size]
            hits += all(row[i] > row[j] for j in range(size) if j != i)
    return hits / (groups * size)


@pytest.mark.parametrize("critic", ["l2", "cosine"])
@pytest.mark.parametrize("protocol", ["published", "held_out"])
def test_recalls_after_an_epoch_are_those_of_the_written_out_loop(
    critic: str, protocol: str, data: dict[str, torch.Tensor], weights: dict[str, dict[str, torch.Tensor]]
) -> None:
    queries, world = queries_of(lambda draw, m: data[f"{draw}.{m}"], protocol, PARAMS.validation), read_world(data)
    table = evaluate_epochs(PARAMS, critic, weights[critic], queries, world, progress=False)
    step = list(represent(PARAMS, critic, weights[critic], queries))[-1]
    assert step.bank is not None
    a, c, bank = (x[1].double().numpy() for x in (step.a, step.c, step.bank))
    scale = float(step.critic.scale[1])  # type: ignore[index]
    variants = {
        "monte_carlo_unscaled": lambda x, y: written_out(critic, 1.0, x, y, bank, normalize=False),
        "monte_carlo": lambda x, y: written_out(critic, scale, x, y, bank, normalize=False),
        "monte_carlo_normalized": lambda x, y: written_out(critic, scale, x, y, bank, normalize=True),
        "direct": lambda x, y: similarity(critic, x, y),
    }
    last = table[(table["epoch"] == 1) & (table["seed"] == 1)].set_index("method")["recall_at_1"]
    for method, score in variants.items():
        grid = np.array([[score(x, y) for y in c] for x in a])
        assert last[method] == recall_written_out(grid, groups=2, size=8), method


def test_all_candidates_agree_with_the_written_out_loop(
    data: dict[str, torch.Tensor], weights: dict[str, dict[str, torch.Tensor]]
) -> None:
    queries, world = queries_of(lambda draw, m: data[f"{draw}.{m}"], "held_out", PARAMS.validation), read_world(data)
    table = evaluate_candidates(PARAMS, "l2", weights["l2"], queries, world, progress=False)
    step = list(represent(PARAMS, "l2", weights["l2"], queries))[-1]
    assert step.bank is not None
    a, c, bank = (x[0].double().numpy() for x in (step.a, step.c, step.bank))
    scale = float(step.critic.scale[0])  # type: ignore[index]
    grid = np.array([[written_out("l2", scale, x, y, bank, normalize=True) for y in c] for x in a])
    exact = world.log_ratio(queries.a, queries.c)[0].numpy()
    ranks = (np.diag(grid)[:, None] < grid.T).sum(1) + 1  # candidates A for each query C
    error = (grid - exact).T
    row = table[
        (table["seed"] == 0) & (table["method"] == "monte_carlo_normalized") & (table["direction"] == "c_to_a")
    ].iloc[0]
    assert row["recall_at_5"] == pytest.approx((ranks <= 5).mean())
    assert row["log_ratio_error"] == pytest.approx(np.abs(error - error.mean(1, keepdims=True)).mean(), rel=1e-4)


def test_held_out_points_are_in_no_training_set(data: dict[str, torch.Tensor]) -> None:
    for draw in ("ab.a", "ac.a"):
        assert not set(data[draw].flatten().tolist()) & set(data["validation.a"].flatten().tolist())
    assert not set(data["bank.b"].flatten().tolist()) & set(data["ab.b"].flatten().tolist())
    published = queries_of(lambda draw, m: data[f"{draw}.{m}"], "published", PARAMS.validation)
    assert torch.equal(published.bank, data["ab.b"])
    assert torch.equal(published.a, data["ab.a"][:, :20])


def test_more_seeds_leave_the_first_ones_as_they_were(data: dict[str, torch.Tensor]) -> None:
    more = sample(PARAMS.model_copy(update={"seeds": 3}))
    assert all(torch.equal(more[key][:2], data[key]) for key in data if data[key].ndim)


def test_learning_improves_on_chance() -> None:
    params = PARAMS.model_copy(update={"pairs": 2000, "epochs": 6, "decay_epoch": 5, "validation": 64, "bank": 200})
    data = sample(params)
    weights, losses = train_model(params, "l2", data, CPU, progress=False)
    table = evaluate_epochs(
        params,
        "l2",
        weights,
        queries_of(lambda draw, m: data[f"{draw}.{m}"], "held_out", params.validation),
        read_world(data),
        progress=False,
    )
    last = table[table["epoch"] == 5].groupby("method")["recall_at_1"].mean()
    assert last["monte_carlo_normalized"] > 3 / 8  # chance is 1/8
    first, final = (losses[losses["epoch"] == e]["loss"].mean() for e in (0, 5))
    assert final < first


def curves() -> pd.DataFrame:
    rows = [
        {"epoch": e, "seed": s, "method": m, "recall_at_1": r}
        for e in (0, 1)
        for s, r in enumerate((0.25, 0.75))
        for m in ("direct", "monte_carlo_unscaled", "monte_carlo", "monte_carlo_normalized")
    ]
    reference = [{"epoch": 1, "seed": s, "method": m, "recall_at_1": 1.0} for s in (0, 1) for m in METHODS[-2:]]
    table = pd.DataFrame(rows)
    return combine({("held_out", "l2"): table, ("held_out", "ground_truth"): pd.DataFrame(reference)})


def test_summary_has_the_promised_form() -> None:
    summary = summarise(curves())
    assert list(summary) == ["held_out"]
    assert list(summary["held_out"]) == ["l2"]
    assert tuple(summary["held_out"]["l2"]) == METHODS
    assert summary["held_out"]["l2"]["direct"] == {"recall_at_1": 0.5, "sd": pytest.approx(0.5**0.5 / 2), "seeds": 2}


def test_runs_share_their_metric_keys() -> None:
    metrics = {"recall_at_1": 0.5, "recall_at_5": 0.6, "recall_at_10": 0.7, "median_rank": 2.0, "log_ratio_error": 1.5}
    rows = [{"seed": 0, "method": m, "direction": "a_to_c"} | metrics for m in METHODS]
    candidates = pd.DataFrame(rows).assign(protocol="held_out", critic="l2")
    runs = learning_curves(curves(), candidates)
    keys = {"epochs/recall_at_1", "epochs/recall_at_1_sd"} | {f"last_epoch/a_to_c/{key}" for key in metrics}
    assert all(set(run) == keys for run in runs.values())
    assert len(runs) == len(METHODS)
    assert runs["held_out", "l2", "direct"]["epochs/recall_at_1"] == [[0, 0.5], [1, 0.5]]


def test_best_of_grid_takes_the_best_setting_and_epoch() -> None:
    base = {"protocol": "published", "critic": "l2", "method": "direct", "seed": 0}
    rows = [
        base | {"setting": "d8_s0.1_p0.0", "epoch": 0, "recall_at_1": 0.4},
        base | {"setting": "d8_s0.1_p0.0", "epoch": 1, "recall_at_1": 0.6},
        base | {"setting": "d8_s1.0_p0.0", "epoch": 1, "recall_at_1": 0.5},
        base | {"setting": "d16_s1.0_p0.0", "epoch": 1, "recall_at_1": 0.9},
    ]
    best = best_of_grid(pd.DataFrame(rows)).set_index("dimension")
    assert best.loc[8, "recall_at_1"] == 0.6
    assert best.loc[8, "setting"] == "d8_s0.1_p0.0"
    assert best.loc[16, "recall_at_1"] == 0.9


def test_streams_differ_by_seed_and_purpose() -> None:
    draws = {float(torch.rand((), generator=generator(s, p))) for s in range(20) for p in range(10)}
    assert len(draws) == 200
