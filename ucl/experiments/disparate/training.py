"""Experiment `disparate`: two black boxes that share only the modality B (section 6.2, Fig. 3 right)."""

from collections.abc import Mapping

import pandas as pd
import torch
from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.bridge import Bridge, log_sum_exp_scores
from ucl.core.critics import CRITICS
from ucl.experiments.disparate.config import Disparate
from ucl.experiments.distilling import distilled_recalls
from ucl.experiments.gaussian import recipe_of, sample_draws, world_of
from ucl.learning.model_pairs import Embedded, ModelPair, train_model_pair, train_reference
from ucl.learning.recalls import method_recalls
from ucl.reporting.keys import PROTOCOLS
from ucl.statistics.retrieval import recall_in_groups
from ucl.worlds.draws import queries_of

__all__ = ["run"]

CRITIC = "l2"  # the published choice for this experiment


def run(params: Disparate, width: int, progress: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train two models, their embeddings of width `params.dimension` and `width`, and every method's recall.

    Returns a table epoch, seed, protocol, method, recall_at_1 (every `evaluate_every` epochs and the last; references,
    and held out the distilled bridge, at the last), and a table seed, protocol, difference: largest difference in nats
    between the Monte Carlo scores from embeddings and from similarity scores alone.
    """
    world = world_of(params)
    data = sample_draws(params, world)
    queries = {
        name: queries_of(lambda draw, modality: getattr(data[draw], modality), name, params.validation)
        for name in PROTOCOLS
    }
    rows: list[pd.DataFrame] = []
    last: dict[str, Embedded] = {}

    def evaluate(epoch: int, pair: ModelPair) -> None:
        if (epoch + 1) % params.evaluate_every and epoch + 1 < params.epochs:
            return
        for protocol, q in queries.items():
            last[protocol] = pair.embed(q.a, q.c, q.bank)
            rows.append(_rows(method_recalls(last[protocol], params.candidates), epoch, protocol))

    label = f"train two models, {params.dimension} and {width} wide" if progress else None
    pair = train_model_pair(
        recipe_of(params), CRITIC, data, widths=(params.dimension, width), on_epoch=evaluate, progress=label
    )
    distilled = distilled_recalls(params, pair, data, last["held_out"])
    rows.append(_rows({"distilled": distilled}, params.epochs - 1, "held_out"))
    reference = train_reference(recipe_of(params), CRITIC, data["ac"], progress=label and "train reference")
    for protocol, q in queries.items():
        with torch.no_grad():
            learned = reference.critic(reference.encode("a", q.a), reference.encode("c", q.c))
        grids = {"ground_truth": learned, "bayes": world.log_ratio(q.a, q.c)}
        recalls = {method: recall_in_groups(grid, params.candidates) for method, grid in grids.items()}
        rows.append(_rows(recalls, params.epochs - 1, protocol))
    differences = pd.concat([_black_box_difference(embedded, protocol) for protocol, embedded in last.items()])
    return pd.concat(rows, ignore_index=True), differences.reset_index(drop=True)


def _rows(recalls: Mapping[str, Tensor], epoch: int, protocol: str) -> pd.DataFrame:
    table = pd.DataFrame({method: values.double().numpy() for method, values in recalls.items()}).rename_axis("seed")
    long = table.reset_index().melt("seed", var_name="method", value_name="recall_at_1")
    return long.assign(epoch=epoch, protocol=protocol)[["epoch", "seed", "protocol", "method", "recall_at_1"]]


def _black_box_difference(embedded: Embedded, protocol: str, queries: int = 100) -> pd.DataFrame:
    """Embeddings through `Bridge`, scores alone through `log_sum_exp_scores`: the same numbers?"""
    rows = []
    for seed in range(len(embedded.a)):
        a, c, for_a, for_c = (
            x[seed] for x in (embedded.a[:, :queries], embedded.c[:, :queries], embedded.for_a, embedded.for_c)
        )
        ab, bc = (CRITICS[f.name](float(torch.as_tensor(f.scale)[seed])) for f in (embedded.ab, embedded.bc))
        bridged = Bridge(ab, bc, Bank(for_a, for_c), normalize=False).score(a, c, progress=False).scores
        boxed = log_sum_exp_scores(ab(a, for_a), bc(c, for_c))
        rows.append({"seed": seed, "protocol": protocol, "difference": float((bridged - boxed).abs().max())})
    return pd.DataFrame(rows)
