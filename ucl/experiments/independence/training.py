"""Experiment `independence`: what is lost when A and C share noise that B does not see (appendix C.4, Fig. 8).

Two exact scorers split the loss. The true joint's says what anybody could reach; the one that trusts Assumption 1 knows
the exact (A, B) and (B, C) laws and joins them as any bridge must. What lies between the two no bridge can avoid; what
lies below the second, this bridge adds.
"""

from dataclasses import replace

import pandas as pd
import torch

from ucl.experiments.distilling import distilled_recalls
from ucl.experiments.gaussian import recipe_of, world_of
from ucl.experiments.independence.config import Independence
from ucl.learning.model_pairs import train_model_pair, train_reference
from ucl.learning.recalls import method_recalls
from ucl.statistics.retrieval import recall_in_groups
from ucl.worlds.draws import streams

__all__ = ["METHODS", "run"]

CRITIC = "l2"  # the published choice for this experiment
METHODS = (
    "direct",
    "monte_carlo_unscaled",
    "monte_carlo",
    "monte_carlo_normalized",
    "distilled",
    "ground_truth",
    "bayes_assuming_independence",
    "bayes",
)


def run(params: Independence, shared_noise: float, progress: bool = True) -> pd.DataFrame:
    """One level of shared noise: train, and score held-out queries against a bank apart from them.

    A table shared_noise, seed, method, recall_at_1 at the last epoch.
    """
    world = replace(world_of(params), shared_noise=shared_noise)
    data = {name: world.sample(params.pairs, streams(params.seeds, name)) for name in ("ab", "bc", "ac")}
    queries = world.sample(params.validation, streams(params.seeds, "validation"))
    bank = world.sample(params.bank, streams(params.seeds, "bank")).b
    label = f"train, shared noise {shared_noise:g}" if progress else None
    pair = train_model_pair(recipe_of(params), CRITIC, data, progress=label)
    reference = train_reference(recipe_of(params), CRITIC, data["ac"], progress=label and "train reference")
    with torch.no_grad():
        learned = reference.critic(reference.encode("a", queries.a), reference.encode("c", queries.c))
    grids = {
        "ground_truth": learned,
        "bayes_assuming_independence": world.log_ratio(queries.a, queries.c, assume_independent=True),
        "bayes": world.log_ratio(queries.a, queries.c),
    }
    known = pair.embed(queries.a, queries.c, bank)
    recalls = method_recalls(known, params.candidates)
    recalls["distilled"] = distilled_recalls(params, pair, data, known)
    recalls |= {method: recall_in_groups(grid, params.candidates) for method, grid in grids.items()}
    table = pd.DataFrame({method: recalls[method].double().numpy() for method in METHODS}).rename_axis("seed")
    long = table.reset_index().melt("seed", var_name="method", value_name="recall_at_1")
    return long.assign(shared_noise=float(shared_noise))[["shared_noise", "seed", "method", "recall_at_1"]]
