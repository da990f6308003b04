"""Two models of pairs, and what methods make of them, against written-out loops."""

import math

import pytest
import torch

from ucl.core.critics import CRITICS
from ucl.experiments.gaussian import recipe_of, sample_draws, world_of
from ucl.experiments.settings import GaussianTraining
from ucl.learning.model_pairs import Embedded, train_model_pair
from ucl.learning.recalls import method_recalls
from ucl.runtime import generator
from ucl.statistics.retrieval import recall_in_groups

TINY = {
    "seeds": 2, "dims": {"a": 6, "b": 4, "c": 6}, "noise": 0.5, "pairs": 96, "validation": 32, "bank": 60,
    "dimension": 3, "log_scale": 0.01, "norm_penalty": 0.0, "epochs": 2, "batch_size": 32, "learning_rate": 0.01,
    "decay_epoch": 1, "candidates": 8,
}  # fmt: skip


def draws(params):
    return sample_draws(params, world_of(params))


def embedded(widths=(3, 3), critic="l2"):
    random = generator(1)
    a, c, for_a, for_c = (
        torch.randn(2, n, w, generator=random) for n, w in zip((16, 16, 9, 9), widths * 2, strict=True)
    )
    scales = torch.tensor([0.5, 2.0]), torch.tensor([3.0, 1.0])
    return Embedded(CRITICS[critic](scales[0]), CRITICS[critic](scales[1]), a, c, for_a, for_c)


def test_recalls_against_loops():
    s = embedded()
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
    s = embedded(widths=(2, 3))
    padded = torch.cat([s.a, torch.zeros(2, 16, 1)], -1)
    torch.testing.assert_close(method_recalls(s, 8)["direct"], recall_in_groups(s.bc(padded, s.c), 8))


def test_pair_share_nothing_and_do_not_depend_on_their_neighbours():
    params = GaussianTraining(**TINY)
    data = draws(params)
    pair = train_model_pair(recipe_of(params), "l2", data, widths=(3, 5))
    assert pair.ab is not pair.bc
    b = data["bank"].b
    with torch.no_grad():
        one, two = pair.ab.encode("b", b), pair.bc.encode("b", b)
    assert one.shape[-1] == 3
    assert two.shape[-1] == 5
    alone = params.model_copy(update={"seeds": 1})
    again = train_model_pair(recipe_of(alone), "l2", draws(alone), widths=(3, 5))
    with torch.no_grad():
        torch.testing.assert_close(again.bc.encode("b", b[:1]), two[:1], atol=1e-4, rtol=1e-3)


def test_second_box_of_the_same_width_starts_elsewhere():
    params = GaussianTraining(**TINY | {"learning_rate": 1e-9})
    pair = train_model_pair(recipe_of(params), "l2", draws(params), widths=(3, 3))
    one, two = (model.encoders["b"][0].weight.detach() for model in (pair.ab, pair.bc))
    assert float((one - two).abs().min()) > 1e-6
