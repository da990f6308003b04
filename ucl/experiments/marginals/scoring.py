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
from ucl.statistics.normality import gaussianity, varying
from ucl.statistics.uniformity import alignment, anchor_log_means, published_ks, sphericity, uniformity

__all__ = ["inspect"]


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
    outcomes = sphericity(unit) | gaussianity(varying(x), draws=draws)
    found = [(name, float(outcome.p_value), float(outcome.effect)) for name, outcome in outcomes.items()]
    reading = float(published_ks(unit, generator=generator(seed, len(x))))
    return [*found, ("published_ks", reading, reading)]
