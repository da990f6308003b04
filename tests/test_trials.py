"""Two models of pairs, and what methods make of them, against written-out loops."""

import math

import pandas as pd
import pytest
import torch

from ucl import disparate, independence
from ucl.config import Disparate, Independence
from ucl.critics import CRITICS
from ucl.gaussian import GaussianWorld
from ucl.metrics import recall_in_groups
from ucl.runtime import generator
from ucl.synthetic import streams
from ucl.trials import Step, method_recalls, train_boxes
from ucl.worlds import gaussian_log_ratio_given_b

TINY = {
    "seeds": 2, "dims": {"a": 6, "b": 4, "c": 6}, "noise": 0.5, "pairs": 96, "validation": 32, "bank": 60,
    "dimension": 3, "log_scale": 0.01, "norm_penalty": 0.0, "epochs": 2, "batch_size": 32, "learning_rate": 0.01,
    "decay_epoch": 1, "candidates": 8,
}  # fmt: skip


def step(widths=(3, 3), critic="l2"):
    random = generator(1)
    a, c, for_a, for_c = (
        torch.randn(2, n, w, generator=random) for n, w in zip((16, 16, 9, 9), widths * 2, strict=True)
    )
    scales = torch.tensor([0.5, 2.0]), torch.tensor([3.0, 1.0])
    return Step(CRITICS[critic](scales[0]), CRITICS[critic](scales[1]), a, c, for_a, for_c)


def test_recalls_against_loops():
    s = step()
    found = method_recalls(s, 8)
    kind = CRITICS["l2"]
    for seed in range(2):
        hits = {"monte_carlo_unscaled": 0, "monte_carlo": 0, "monte_carlo_normalized": 0}
        for i in range(16):
            grids = {m: [] for m in hits}
            for j in range(8 * (i // 8), 8 * (i // 8) + 8):
                left = [float(kind.similarity(s.a[seed, i : i + 1], b[None])) for b in s.for_a[seed]]
                right = [float(kind.similarity(s.c[seed, j : j + 1], b[None])) for b in s.for_c[seed]]
                x, y = float(s.ab.scale[seed]), float(s.bc.scale[seed])
                scaled = math.log(sum(math.exp(x * u + y * v) for u, v in zip(left, right, strict=True)))
                own = math.log(sum(math.exp(x * u) for u in left)) + math.log(sum(math.exp(y * v) for v in right))
                grids["monte_carlo"].append(scaled)
                grids["monte_carlo_normalized"].append(scaled - own)
                plain = math.log(sum(math.exp(u + v) for u, v in zip(left, right, strict=True)))
                grids["monte_carlo_unscaled"].append(plain)
            for method, scores in grids.items():
                hits[method] += max(scores) == scores[i % 8]
        for method, count in hits.items():
            assert float(found[method][seed]) == pytest.approx(count / 16)


def test_direct_pads_the_narrower_embedding():
    s = step(widths=(2, 3))
    padded = torch.cat([s.a, torch.zeros(2, 16, 1)], -1)
    torch.testing.assert_close(method_recalls(s, 8)["direct"], recall_in_groups(s.bc(padded, s.c), 8))


def test_boxes_share_nothing_and_do_not_depend_on_their_neighbours():
    params = Disparate(**TINY, dimensions_bc=[5], evaluate_every=1)
    _, data = disparate.draw(params)
    boxes = train_boxes(params, "l2", data, widths=(3, 5))
    assert boxes.ab is not boxes.bc
    b = data["bank"].b
    with torch.no_grad():
        one, two = boxes.ab.encode("b", b), boxes.bc.encode("b", b)
    assert one.shape[-1] == 3
    assert two.shape[-1] == 5
    alone = params.model_copy(update={"seeds": 1})
    again = train_boxes(alone, "l2", disparate.draw(alone)[1], widths=(3, 5))
    with torch.no_grad():
        torch.testing.assert_close(again.bc.encode("b", b[:1]), two[:1], atol=1e-4, rtol=1e-3)


def test_second_box_of_the_same_width_starts_elsewhere():
    params = Disparate(**TINY | {"learning_rate": 1e-9}, dimensions_bc=[3], evaluate_every=1)
    boxes = train_boxes(params, "l2", disparate.draw(params)[1], widths=(3, 3))
    one, two = (box.encoders["b"][0].weight.detach() for box in (boxes.ab, boxes.bc))
    assert float((one - two).abs().min()) > 1e-6


def test_disparate_end_to_end_and_its_summary():
    params = Disparate(**TINY, dimensions_bc=[5], evaluate_every=1)
    curves, differences = disparate.run(params, 5, progress=False)
    assert float(differences["difference"].max()) < 1e-3
    assert sorted(curves["epoch"].unique()) == [0, 1]
    summary = disparate.summarise({params.boxes(5): curves})
    assert set(summary) == {"published", "held_out"}
    last = curves[(curves["epoch"] == 1) & (curves["protocol"] == "held_out") & (curves["method"] == "direct")]
    entry = summary["held_out"]["l2_3_5"]["direct"]
    assert entry["recall_at_1"] == pytest.approx(last["recall_at_1"].sum() / 2)
    assert entry["seeds"] == 2
    assert summary["held_out"]["l2_3_5"]["bayes"]["recall_at_1"] > 0.5
    assert params.boxes(3) == "l2"
    assert len(disparate.tabulate(summary, {"l2_3_5": differences})) == 2
    points = disparate.learning_curves({"l2_3_5": curves})["held_out", "l2_3_5", "direct"]["recall_at_1"]
    assert points[-1] == [1.0, pytest.approx(entry["recall_at_1"])]


def test_independence_end_to_end():
    params = Independence(**TINY, shared_noise=[0.0, 2.0])
    table = pd.concat([independence.run(params, noise, progress=False) for noise in params.shared_noise])
    summary = independence.summarise(table)
    assert set(summary) == {"0", "2"}
    assert summary["0"]["bayes"] == summary["0"]["bayes_assuming_independence"]
    row = independence.tabulate(summary).iloc[1]
    assert row["unavoidable"] + row["added"] == pytest.approx(row["bayes"] - row["monte_carlo_normalized"])


def test_gaussian_ratio_given_b_against_densities():
    world = GaussianWorld.draw(streams(1, "world"), (2, 2, 2), 0.7, 0.4)
    draws = world.sample(3, streams(1, "validation"))
    to = torch.cat([world.to_a[0], torch.eye(2), world.to_c[0]], 1).double()
    shared = torch.tensor([1.0, 1, 0, 0, 1, 1], dtype=torch.float64)
    own = torch.diag(shared) * 0.7**2
    covariance = to.T @ (world.factor[0].double().T @ world.factor[0].double()) @ to + own
    covariance += 0.4**2 * torch.outer(shared, shared)
    mean = world.mean[0, 0].double() @ to

    def log_density(x, keep):
        part = covariance[keep][:, keep]
        return torch.distributions.MultivariateNormal(mean[keep], part).log_prob(x[keep])

    found = gaussian_log_ratio_given_b(world, draws.a, draws.b, draws.c)[0]
    for i in range(3):
        for j in range(3):
            x = torch.cat([draws.a[0, i], draws.b[0, i], draws.c[0, j]]).double()
            pair, last = list(range(4)), [4, 5]
            expected = log_density(x, [*pair, *last]) - log_density(x, pair) - log_density(x, last)
            assert float(found[i, j]) == pytest.approx(float(expected), abs=1e-4)
