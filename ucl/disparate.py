"""Experiment `disparate`: two black boxes that share only the modality B (section 6.2, Fig. 3 right)."""

from collections.abc import Mapping

import pandas as pd
import torch
from torch import Tensor

from ucl.bank import Bank
from ucl.bridge import Bridge, log_sum_exp_scores
from ucl.config import Disparate
from ucl.critics import CRITICS
from ucl.gaussian import GaussianWorld, Triples
from ucl.metrics import recall_in_groups
from ucl.synthetic import PROTOCOLS, streams
from ucl.trials import Boxes, Step, method_recalls, train_boxes, train_reference

__all__ = ["draw", "learning_curves", "run", "summarise", "tabulate"]

CRITIC = "l2"  # the published choice for this experiment


def draw(params: Disparate) -> tuple[GaussianWorld, dict[str, Triples]]:
    """The worlds and draws of `synthetic`, seed by seed."""
    dims = (params.dims.a, params.dims.b, params.dims.c)
    world = GaussianWorld.draw(streams(params.seeds, "world"), dims, params.noise)
    sizes = {"ab": params.pairs, "bc": params.pairs, "ac": params.pairs}
    sizes |= {"validation": params.validation, "bank": params.bank}
    return world, {name: world.sample(n, streams(params.seeds, name)) for name, n in sizes.items()}


def run(params: Disparate, width: int, progress: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train two models, their embeddings of width `params.dimension` and `width`, and every method's recall.

    Returns a table epoch, seed, protocol, method, recall_at_1 (every `evaluate_every` epochs and the last; references
    at the last), and a table seed, protocol, difference: largest difference in nats between the Monte Carlo scores from
    embeddings and from similarity scores alone.
    """
    world, data = draw(params)
    queries = {name: _queries(params, data, name) for name in PROTOCOLS}
    rows: list[pd.DataFrame] = []
    last: dict[str, Step] = {}

    def evaluate(epoch: int, boxes: Boxes) -> None:
        if (epoch + 1) % params.evaluate_every and epoch + 1 < params.epochs:
            return
        for protocol, (a, c, bank) in queries.items():
            last[protocol] = boxes.look(a, c, bank)
            rows.append(_rows(method_recalls(last[protocol], params.candidates), epoch, protocol))

    label = f"train two boxes, {params.dimension} and {width} wide" if progress else None
    train_boxes(params, CRITIC, data, widths=(params.dimension, width), on_epoch=evaluate, progress=label)
    reference = train_reference(params, CRITIC, data["ac"], progress=label and "train reference")
    for protocol, (a, c, _) in queries.items():
        with torch.no_grad():
            learned = reference.critic(reference.encode("a", a), reference.encode("c", c))
        grids = {"ground_truth": learned, "bayes": world.log_ratio(a, c)}
        recalls = {method: recall_in_groups(grid, params.candidates) for method, grid in grids.items()}
        rows.append(_rows(recalls, params.epochs - 1, protocol))
    differences = pd.concat([_black_box_difference(step, protocol) for protocol, step in last.items()])
    return pd.concat(rows, ignore_index=True), differences.reset_index(drop=True)


def summarise(curves: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """`{protocol: {key: {method: {recall_at_1, sd, seeds}}}}` at the last epoch, as for `synthetic`."""
    summary: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for key, table in curves.items():
        last = table[table["epoch"] == table["epoch"].max()]
        for (protocol, method), rows in last.groupby(["protocol", "method"], sort=False):
            recalls = rows["recall_at_1"]
            sd = float(recalls.std()) if len(recalls) > 1 else 0.0
            entry = {"recall_at_1": float(recalls.mean()), "sd": sd, "seeds": len(recalls)}
            summary.setdefault(str(protocol), {}).setdefault(key, {})[str(method)] = entry
    return summary


def tabulate(
    summary: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]], differences: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """One row per protocol and pair of widths, a column `mean ± sd` per method.

    `black_box_difference` is the largest difference in nats, over seeds, queries and candidates, between Monte Carlo
    scores from embeddings and from similarity scores alone.
    """
    rows = []
    for protocol, keys in summary.items():
        for key, methods in keys.items():
            own = differences[key].loc[differences[key]["protocol"] == protocol, "difference"]
            shown = {m: f"{entry['recall_at_1']:.3f} ± {entry['sd']:.3f}" for m, entry in methods.items()}
            apart = f"{own.max():.1e} nats"
            rows.append({"protocol": protocol, "boxes": key} | shown | {"black_box_difference": apart})
    return pd.DataFrame(rows)


def learning_curves(
    curves: Mapping[str, pd.DataFrame],
) -> dict[tuple[str, str, str], dict[str, list[list[float]]]]:
    """Per protocol, pair of widths and method: `{recall_at_1: [[epoch, mean], ...], recall_at_1_sd: ...}`."""
    found: dict[tuple[str, str, str], dict[str, list[list[float]]]] = {}
    for key, table in curves.items():
        for (protocol, method), rows in table.groupby(["protocol", "method"], sort=False):
            stats = rows.groupby("epoch")["recall_at_1"].agg(["mean", "std"]).fillna(0.0)
            points = {"recall_at_1": stats["mean"], "recall_at_1_sd": stats["std"]}
            found[str(protocol), key, str(method)] = {
                name: [[float(i), float(x)] for i, x in zip(stats.index, values, strict=True)]
                for name, values in points.items()
            }
    return found


def _queries(params: Disparate, data: Mapping[str, Triples], protocol: str) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, candidates and bank: see `ucl.synthetic.queries_of`."""
    if protocol == "held_out":
        return data["validation"].a, data["validation"].c, data["bank"].b
    n = params.validation
    return data["ab"].a[:, :n], data["ab"].c[:, :n], data["ab"].b


def _rows(recalls: Mapping[str, Tensor], epoch: int, protocol: str) -> pd.DataFrame:
    table = pd.DataFrame({method: values.double().numpy() for method, values in recalls.items()}).rename_axis("seed")
    long = table.reset_index().melt("seed", var_name="method", value_name="recall_at_1")
    return long.assign(epoch=epoch, protocol=protocol)[["epoch", "seed", "protocol", "method", "recall_at_1"]]


def _black_box_difference(step: Step, protocol: str, queries: int = 100) -> pd.DataFrame:
    """Embeddings through `Bridge`, scores alone through `log_sum_exp_scores`: the same numbers?"""
    rows = []
    for seed in range(len(step.a)):
        a, c, for_a, for_c = (x[seed] for x in (step.a[:, :queries], step.c[:, :queries], step.for_a, step.for_c))
        ab, bc = (CRITICS[f.name](float(torch.as_tensor(f.scale)[seed])) for f in (step.ab, step.bc))
        bridged = Bridge(ab, bc, Bank(for_a, for_c)).score(a, c, progress=False).scores
        boxed = log_sum_exp_scores(ab(a, for_a), bc(c, for_c))
        rows.append({"seed": seed, "protocol": protocol, "difference": float((bridged - boxed).abs().max())})
    return pd.DataFrame(rows)
