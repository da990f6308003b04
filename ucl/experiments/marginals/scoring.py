"""Every test on the representations that `marginals` learned."""

from collections.abc import Mapping

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.critics import CRITICS
from ucl.experiments.marginals.config import Marginals
from ucl.experiments.marginals.training import MODALITIES
from ucl.runtime import generator
from ucl.statistics.normality import gaussianity
from ucl.statistics.uniformity import alignment, anchor_log_means, published_ks, sphericity, uniformity

__all__ = ["inspect"]
VARIES = 0.01  # of the largest singular value: directions below are constant but for rounding, and are left out


def inspect(params: Marginals, critic: str, tensors: Mapping[str, Tensor]) -> pd.DataFrame:
    """Every test on every modality and seed, and what contrastive representations should be.

    A table seed, modality, quantity, p_value, value: for tests the effect size, else the quantity and no p-value. Tests
    of uniformity see the representations normalised; tests of normality see them as they are, in the directions
    in which they vary.
    """
    rows: list[tuple[int, str, str, float | None, float]] = []
    for seed in range(len(tensors["scale"])):
        own = {m: tensors[m][seed, : params.tested] for m in MODALITIES}
        for modality, x in own.items():
            for name, p_value, effect in _tests(x, params.draws, seed):
                rows.append((seed, modality, name, p_value, effect))
            rows.append((seed, modality, "uniformity", None, float(uniformity(x))))
        for modality in ("a", "c"):
            rows.append((seed, modality, "alignment", None, float(alignment(own[modality], own["b"]))))
            scores = CRITICS[critic](float(tensors["scale"][seed]))(own[modality], tensors["bank"][seed])
            rows.append((seed, modality, "anchor_spread", None, float(anchor_log_means(scores).std())))
    return pd.DataFrame(rows, columns=["seed", "modality", "quantity", "p_value", "value"])


def _tests(x: Float[Tensor, "n d"], draws: int, seed: int) -> list[tuple[str, float, float]]:
    unit = torch.nn.functional.normalize(x, dim=-1)
    outcomes = sphericity(unit) | gaussianity(_varying(x), draws=draws)
    found = [(name, float(outcome.p_value), float(outcome.effect)) for name, outcome in outcomes.items()]
    reading = float(published_ks(unit, generator=generator(seed, len(x))))
    return [*found, ("published_ks", reading, reading)]


def _varying(x: Float[Tensor, "n d"]) -> Float[Tensor, "n r"]:
    """Coordinates along the principal directions that carry anything: the tests of normality are affine invariant."""
    u, s, _ = torch.linalg.svd((x - x.mean(0)).double(), full_matrices=False)
    return u[:, s > VARIES * s[0]]
