"""The experiment's parts on a tiny scale, and what they count, against what is known of the laws."""

import pandas as pd
import pytest
import torch

from ucl.experiments.marginals import scoring, training
from ucl.experiments.marginals import simulation as power
from ucl.experiments.marginals import summary as marginals
from ucl.experiments.marginals.config import Marginals
from ucl.runtime import generator
from ucl.statistics.normality import varying
from ucl.statistics.sphere_laws import uniform_sphere
from ucl.statistics.uniformity import anchor_log_means, rayleigh

TINY = Marginals(
    seeds=2, dims={"a": 6, "b": 4, "c": 6}, noise=0.5, pairs=96, validation=48, bank=40, dimension=4, log_scale=0.01,
    norm_penalty=0.0, epochs=2, batch_size=32, learning_rate=0.01, decay_epoch=1, candidates=8, critics=["cosine"],
    scatter_dimension=2, tested=40, draws=99, example=1,
    sphere={"dimensions": [3], "points": 30, "null_samples": 400, "power_samples": 50},
    gaussian={"dimensions": [3], "points": 30, "draws": 400, "null_samples": 400, "power_samples": 50},
)  # fmt: skip


def test_rejections_are_counts_of_what_the_tests_say():
    table = power.sphere_rejections(3, 30, 400, 50, progress=False).set_index(["test", "alternative"])
    assert table.loc[("rayleigh", "uniform"), "samples"] == 400
    assert 4 <= table.loc[("rayleigh", "uniform"), "rejections"] <= 40
    assert table.loc[("published_ks", "uniform"), "rejections"] <= 2  # a mean p-value hardly ever falls below 5 %
    assert table.loc[("bingham", "antipodal mixture"), "rejections"] > 25
    assert table.loc[("rayleigh", "antipodal mixture"), "rejections"] < 25
    null = uniform_sphere(400, 30, 3, generator=generator(3, 30, 0))
    assert table.loc[("rayleigh", "uniform"), "rejections"] == int((rayleigh(null).p_value <= 0.05).sum())


def test_gaussian_rejections():
    table = power.gaussian_rejections(3, 30, 400, 400, 50, progress=False).set_index(["test", "alternative"])
    for test in ("mardia_skewness", "mardia_kurtosis", "henze_zirkler"):
        assert 4 <= table.loc[(test, "Gaussian"), "rejections"] <= 42
    assert table.loc[("mardia_kurtosis", "uniform on the sphere"), "rejections"] > 40


def test_sizes_by_hand():
    found = marginals.sizes(pd.DataFrame({"rejections": [5, 0], "samples": [100, 10]}))
    assert list(found["rejected"]) == [0.05, 0.0]
    assert found["ci95"].iloc[0] == pytest.approx(1.96 * (0.05 * 0.95 / 100) ** 0.5)


def test_representations_are_inspected():
    tensors = training.learn(TINY, "cosine", 4, progress=False)
    table = scoring.inspect(TINY, "cosine", tensors)
    spread = table[(table["quantity"] == "anchor_spread") & (table["modality"] == "a")].set_index("seed")["value"]
    unit = {k: torch.nn.functional.normalize(tensors[k], dim=-1) for k in ("a", "bank")}
    scores = tensors["scale"][:, None, None] * unit["a"][:, :40] @ unit["bank"].mT
    for seed in range(2):
        assert spread[seed] == pytest.approx(float(anchor_log_means(scores)[seed].std()), rel=1e-4)
    example = pd.DataFrame([("rayleigh", 0.0, 1, 1)], columns=["test", "median_p", "rejections", "samples"])
    rejections = pd.concat(
        [power.sphere_rejections(3, 30, 40, 5, False), power.gaussian_rejections(3, 30, 39, 40, 5, False)]
    )
    summary = marginals.summarise(rejections, example, {"cosine": table})
    assert summary["size"]["rayleigh"]["3"]["samples"] == 40
    assert set(summary["power"]) == {*power.SPHERE_ALTERNATIVES, *power.GAUSSIAN_ALTERNATIVES} - {"uniform", "Gaussian"}
    assert summary["example"]["rayleigh"]["rejected"] == 1
    size_table, shown = marginals.tabulate(summary)
    assert "d = 3" in size_table
    assert len(shown) == 3


def test_constant_directions_are_left_out():
    x = torch.randn(50, 3, generator=generator(1))
    dead = torch.cat([x, torch.full((50, 1), 2.0), x[:, :1]], dim=1)
    assert varying(dead).shape == (50, 3)
