"""Experiment `independence`: what is lost when A and C share noise that B does not see (appendix C.4, Fig. 8).

Two exact scorers split the loss. The true joint's says what anybody could reach; the one that trusts Assumption 1 knows
the exact (A, B) and (B, C) laws and joins them as any bridge must. What lies between the two no bridge can avoid; what
lies below the second, this bridge adds.
"""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
import torch

from ucl.config import Independence
from ucl.gaussian import GaussianWorld
from ucl.metrics import recall_in_groups
from ucl.synthetic import streams
from ucl.trials import method_recalls, train_boxes, train_reference

__all__ = ["METHODS", "run", "summarise", "tabulate"]

CRITIC = "l2"  # the published choice for this experiment
METHODS = (
    "direct",
    "monte_carlo_unscaled",
    "monte_carlo",
    "monte_carlo_normalized",
    "ground_truth",
    "bayes_assuming_independence",
    "bayes",
)


def run(params: Independence, shared_noise: float, progress: bool = True) -> pd.DataFrame:
    """One level of shared noise: train, and score held-out queries against a bank apart from them.

    A table shared_noise, seed, method, recall_at_1 at the last epoch.
    """
    dims = (params.dims.a, params.dims.b, params.dims.c)
    world = replace(GaussianWorld.draw(streams(params.seeds, "world"), dims, params.noise), shared_noise=shared_noise)
    data = {name: world.sample(params.pairs, streams(params.seeds, name)) for name in ("ab", "bc", "ac")}
    queries = world.sample(params.validation, streams(params.seeds, "validation"))
    bank = world.sample(params.bank, streams(params.seeds, "bank")).b
    label = f"train, shared noise {shared_noise:g}" if progress else None
    boxes = train_boxes(params, CRITIC, data, progress=label)
    reference = train_reference(params, CRITIC, data["ac"], progress=label and "train reference")
    with torch.no_grad():
        learned = reference.critic(reference.encode("a", queries.a), reference.encode("c", queries.c))
    grids = {
        "ground_truth": learned,
        "bayes_assuming_independence": world.log_ratio(queries.a, queries.c, assume_independent=True),
        "bayes": world.log_ratio(queries.a, queries.c),
    }
    recalls = method_recalls(boxes.look(queries.a, queries.c, bank), params.candidates)
    recalls |= {method: recall_in_groups(grid, params.candidates) for method, grid in grids.items()}
    table = pd.DataFrame({method: recalls[method].double().numpy() for method in METHODS}).rename_axis("seed")
    long = table.reset_index().melt("seed", var_name="method", value_name="recall_at_1")
    return long.assign(shared_noise=float(shared_noise))[["shared_noise", "seed", "method", "recall_at_1"]]


def summarise(table: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """`{"<sd of the shared noise>": {method: {recall_at_1, sd}}}`, mean and sd (n - 1) over seeds."""
    summary: dict[str, dict[str, dict[str, float]]] = {}
    for (noise, method), rows in table.groupby(["shared_noise", "method"], sort=False):
        recalls = rows["recall_at_1"]
        sd = float(recalls.std()) if len(recalls) > 1 else 0.0
        summary.setdefault(f"{noise:g}", {})[str(method)] = {"recall_at_1": float(recalls.mean()), "sd": sd}
    return summary


def tabulate(summary: Mapping[str, Mapping[str, Mapping[str, float]]]) -> pd.DataFrame:
    """One row per level of shared noise: each method's recall, and the loss of normalised Monte Carlo in two parts.

    `unavoidable` is what the exact scorer under Assumption 1 loses against the exact one; `added` what normalised Monte
    Carlo loses against the exact scorer under Assumption 1.
    """
    rows = []
    for noise, methods in summary.items():
        recall = {method: entry["recall_at_1"] for method, entry in methods.items()}
        parts = {
            "unavoidable": recall["bayes"] - recall["bayes_assuming_independence"],
            "added": recall["bayes_assuming_independence"] - recall["monte_carlo_normalized"],
        }
        rows.append({"shared_noise": float(noise)} | recall | parts)
    return pd.DataFrame(rows)
