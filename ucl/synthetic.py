"""Experiment `synthetic`: direct, Monte Carlo and exact scores in a Gaussian world (section 6.1, Fig. 3)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from ucl.bank import Bank
from ucl.bridge import Bridge
from ucl.config import GaussianData, GaussianTraining
from ucl.critics import CRITICS, Critic
from ucl.encoders import synthetic_encoder
from ucl.gaussian import GaussianWorld
from ucl.grouped import MONTE_CARLO, Side, monte_carlo_recalls
from ucl.metrics import centred_error, expected_rank, recall_in_groups
from ucl.runtime import generator
from ucl.training import ContrastiveModel, Optimisation, train

__all__ = [
    "METHODS",
    "PROTOCOLS",
    "best_of_grid",
    "combine",
    "evaluate_candidates",
    "evaluate_epochs",
    "learning_curves",
    "queries_of",
    "sample",
    "summarise",
    "tabulate_candidates",
    "tabulate_epochs",
    "train_model",
    "world_of",
]

PROTOCOLS = ("published", "held_out")
METHODS = ("direct", *MONTE_CARLO, "ground_truth", "bayes")
REFERENCE = "ground_truth"  # the model trained on (A, C) itself, with the L2 critic as published
DRAWS = ("world", "ab", "bc", "ac", "validation", "bank", "a", "b", "c", "shuffle")  # purposes of random streams

Tensors = Mapping[str, Tensor]


def streams(seeds: int, purpose: str) -> list[torch.Generator]:
    """One generator per seed for one purpose: what a seed draws does not depend on the others."""
    return [generator(seed, DRAWS.index(purpose)) for seed in range(seeds)]


def sample(params: GaussianData) -> dict[str, Tensor]:
    """The worlds and all draws: three training sets, the validation points, and a bank apart from them.

    Keys are `<draw>.<modality>` with tensors [seeds, n, d], and `world.<parameter>`.
    """
    dims = (params.dims.a, params.dims.b, params.dims.c)
    world = GaussianWorld.draw(streams(params.seeds, "world"), dims, params.noise)
    sizes = {"ab": params.pairs, "bc": params.pairs, "ac": params.pairs}
    sizes |= {"validation": params.validation, "bank": params.bank}
    tensors = {f"world.{f.name}": torch.as_tensor(getattr(world, f.name)) for f in fields(world)}
    for draw, n in sizes.items():
        triples = world.sample(n, streams(params.seeds, draw))
        tensors |= {f"{draw}.{modality}": getattr(triples, modality) for modality in "abc"}
    unused = {"bc.a", "ac.b", "validation.b", "bank.a", "bank.c"}
    return {key: tensor for key, tensor in tensors.items() if key not in unused}


def world_of(data: Tensors) -> GaussianWorld:
    """The worlds that `sample` stored."""
    mean, factor, to_a, to_c, noise, shared_noise = (data[f"world.{f.name}"].cpu() for f in fields(GaussianWorld))
    return GaussianWorld(mean, factor, to_a, to_c, float(noise), float(shared_noise))


def build_model(params: GaussianTraining, name: str) -> ContrastiveModel:
    """An untrained model: encoders of A, B and C under a critic, or of A and C for the reference."""
    widths = params.dims.model_dump()
    modalities = "ac" if name == REFERENCE else "abc"
    encoders = {m: synthetic_encoder(streams(params.seeds, m), widths[m], params.dimension) for m in modalities}
    pairs = {"ac": ("a", "c")} if name == REFERENCE else {"ab": ("a", "b"), "bc": ("b", "c")}
    critic = "l2" if name == REFERENCE else name
    return ContrastiveModel(encoders, pairs, critic, params.log_scale, params.seeds)


def train_model(
    params: GaussianTraining, name: str, data: Tensors, device: torch.device, progress: bool = True
) -> tuple[dict[str, Tensor], pd.DataFrame]:
    """Train one model for all seeds.

    Returns its weights after every epoch ([epochs, ...] each) and a table epoch, seed, pair, loss (nats).
    """
    model = build_model(params, name).to(device)
    pairs = {pair: tuple(data[f"{pair}.{m}"].to(device) for m in encoders) for pair, encoders in model.pairs.items()}
    optimisation = Optimisation(
        params.epochs, params.batch_size, params.learning_rate, params.decay_epoch, params.norm_penalty
    )
    checkpoints: list[dict[str, Tensor]] = []
    losses: list[pd.DataFrame] = []

    def keep(epoch: int, model: ContrastiveModel, means: Tensors) -> None:
        checkpoints.append({key: value.cpu().clone() for key, value in model.state_dict().items()})
        table = pd.DataFrame({pair: mean.cpu().numpy() for pair, mean in means.items()}).rename_axis("seed")
        losses.append(
            table.reset_index().assign(epoch=epoch).melt(["epoch", "seed"], var_name="pair", value_name="loss")
        )

    label = f"train {name}, {params.seeds} seeds" if progress else None
    train(model, pairs, optimisation, streams(params.seeds, "shuffle"), keep, label)  # type: ignore[arg-type]
    weights = {key: torch.stack([checkpoint[key] for checkpoint in checkpoints]) for key in checkpoints[0]}
    return weights, pd.concat(losses, ignore_index=True)


@dataclass(frozen=True)
class Queries:
    """What a protocol evaluates on: queries A, candidates C (row i belongs to row i), and the bank."""

    a: Float[Tensor, "s n da"]
    c: Float[Tensor, "s n dc"]
    bank: Float[Tensor, "s m db"]


def queries_of(params: GaussianTraining, data: Tensors, protocol: str) -> Queries:
    """`held_out`: points never trained on and a bank apart from them. `published`: the training draw of (A, B) with
    its own B's as the bank, each query's own B among them (design: section 4)."""
    if protocol == "held_out":
        return Queries(data["validation.a"], data["validation.c"], data["bank.b"])
    n = params.validation
    return Queries(data["ab.a"][:, :n], data["ab.c"][:, :n], data["ab.b"])


@dataclass(frozen=True)
class Representations:
    """One epoch's representations of a protocol's queries, and the critic that compares them."""

    critic: Critic
    a: Float[Tensor, "s n d"]
    c: Float[Tensor, "s n d"]
    bank: Float[Tensor, "s m d"] | None  # None for the reference, which needs no bank


def represent(params: GaussianTraining, name: str, weights: Tensors, queries: Queries) -> Iterator[Representations]:
    """Representations after each epoch."""
    model = build_model(params, name).to(queries.a.device).eval()
    for epoch in range(len(weights["log_scale"])):
        model.load_state_dict({key: value[epoch] for key, value in weights.items()})
        with torch.no_grad():
            bank = None if name == REFERENCE else model.encode("b", queries.bank)
            yield Representations(model.critic, model.encode("a", queries.a), model.encode("c", queries.c), bank)


def evaluate_epochs(
    params: GaussianTraining,
    name: str,
    weights: Tensors,
    queries: Queries,
    world: GaussianWorld,
    progress: bool = True,
) -> pd.DataFrame:
    """Recall@1 among `params.candidates` after every epoch: a table epoch, seed, method, recall_at_1.

    The reference brings the exact scorer with it, the same at every epoch.
    """
    rows = []
    bayes = recall_in_groups(world.log_ratio(queries.a.cpu(), queries.c.cpu()), params.candidates)
    epochs = represent(params, name, weights, queries)
    label = f"score {name}"
    for epoch, step in enumerate(tqdm(epochs, label, params.epochs, unit="epoch", disable=not progress)):
        recalls_of = _group_recalls(params, name, step) | ({"bayes": bayes} if name == REFERENCE else {})
        for method, recalls in recalls_of.items():
            values = recalls.double().cpu().numpy()
            rows.append(
                pd.DataFrame({"seed": range(len(values)), "recall_at_1": values}).assign(epoch=epoch, method=method)
            )
    return pd.concat(rows, ignore_index=True)[["epoch", "seed", "method", "recall_at_1"]]


def _group_recalls(params: GaussianTraining, name: str, step: Representations) -> dict[str, Float[Tensor, " s"]]:
    direct = recall_in_groups(step.critic(step.a, step.c), params.candidates)
    if step.bank is None:
        return {REFERENCE: direct}
    sides = Side(step.critic, step.a, step.bank), Side(step.critic, step.c, step.bank)
    return {"direct": direct} | monte_carlo_recalls(*sides, params.candidates)


def evaluate_candidates(
    params: GaussianTraining, name: str, weights: Tensors, queries: Queries, world: GaussianWorld, progress: bool = True
) -> pd.DataFrame:
    """All queries against all candidates at the last epoch, both directions.

    A table seed, method, direction, recall_at_1, recall_at_5, recall_at_10, median_rank, log_ratio_error (nats: mean
    absolute difference to the exact log ratio, after removing each anchor's free constant).
    """
    last = {key: value[-1:] for key, value in weights.items()}
    step = next(represent(params, name, last, queries))
    exact = world.log_ratio(queries.a.cpu(), queries.c.cpu())
    rows = []
    for seed in tqdm(range(params.seeds), f"score {name}, all candidates", unit="seed", disable=not progress):
        for method, scores in _grids(name, step, exact, seed):
            for direction, table, truth in (
                ("a_to_c", scores, exact[seed]),
                ("c_to_a", scores.mT, exact[seed].mT),
            ):
                rows.append({"seed": seed, "method": method, "direction": direction} | _candidate_metrics(table, truth))
    return pd.DataFrame(rows)


def _grids(
    name: str, step: Representations, exact: Float[Tensor, "s n k"], seed: int
) -> Iterator[tuple[str, Float[Tensor, "n k"]]]:
    a, c = step.a[seed], step.c[seed]
    kind, scale = CRITICS[step.critic.name], float(torch.as_tensor(step.critic.scale)[seed])
    if step.bank is None:
        yield REFERENCE, kind(scale)(a, c).double().cpu()
        yield "bayes", exact[seed]
        return
    yield "direct", kind(scale)(a, c).double().cpu()
    bank = Bank(for_a=step.bank[seed])
    for method, critic, normalize in (
        ("monte_carlo_unscaled", kind(1.0), False),
        ("monte_carlo", kind(scale), False),
        ("monte_carlo_normalized", kind(scale), True),
    ):
        scores = Bridge(critic, critic, bank, normalize=normalize).score(a, c, progress=False).scores
        yield method, scores.double().cpu()


def _candidate_metrics(scores: Float[Tensor, "n n"], exact: Float[Tensor, "n n"]) -> dict[str, float]:
    ranks = expected_rank(scores)
    recalls = {f"recall_at_{k}": float((ranks <= k).double().mean()) for k in (1, 5, 10)}
    return recalls | {"median_rank": float(ranks.median()), "log_ratio_error": float(centred_error(scores, exact))}


def combine(tables: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """Tables by (protocol, model) as one, with columns protocol and critic; the reference is in every critic."""
    parts = []
    for (protocol, model), table in tables.items():
        critics = [m for p, m in tables if p == protocol and m != REFERENCE] if model == REFERENCE else [model]
        parts += [table.assign(protocol=protocol, critic=critic) for critic in critics]
    table = pd.concat(parts, ignore_index=True)
    order = {"method": METHODS, "protocol": PROTOCOLS}
    for column, values in order.items():
        table[column] = pd.Categorical(table[column], values)
    return table.sort_values(["protocol", "critic", "method"], kind="stable").astype(dict.fromkeys(order, str))


def summarise(curves: pd.DataFrame) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """`{protocol: {critic: {method: {recall_at_1, sd, seeds}}}}` at the last epoch; sd over seeds (n - 1)."""
    last = curves[curves["epoch"] == curves["epoch"].max()]
    summary: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for (protocol, critic, method), rows in last.groupby(["protocol", "critic", "method"], sort=False):
        values = rows["recall_at_1"].to_numpy()
        sd = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        entry = {"recall_at_1": float(values.mean()), "sd": sd, "seeds": len(values)}
        summary.setdefault(protocol, {}).setdefault(critic, {})[method] = entry
    return summary


def tabulate_candidates(candidates: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds of `evaluate_candidates`, with the standard deviation of Recall@1."""
    keys = ["protocol", "critic", "method", "direction"]
    groups = candidates.groupby(keys, sort=False)
    means = groups.mean(numeric_only=True).drop(columns="seed")
    means.insert(1, "sd", groups["recall_at_1"].std(ddof=1).fillna(0.0))
    return means.reset_index()


def tabulate_epochs(summary: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]) -> pd.DataFrame:
    """The summary as a table: one row per protocol and method, one column per critic."""
    rows = [
        {"protocol": protocol, "method": method}
        | {critic: f"{e['recall_at_1']:.3f} ± {e['sd']:.3f}" for critic, m in critics.items() for e in [m[method]]}
        for protocol, critics in summary.items()
        for method in METHODS
    ]
    return pd.DataFrame(rows)


def learning_curves(
    epochs: pd.DataFrame, candidates: pd.DataFrame
) -> dict[tuple[str, str, str], dict[str, list[list[float]]]]:
    """`{(protocol, critic, method): {metric: [[epoch, value], ...]}}`: means and standard deviations over seeds."""
    curves: dict[tuple[str, str, str], dict[str, list[list[float]]]] = {}
    last = int(epochs["epoch"].max())
    for (protocol, critic, method), rows in epochs.groupby(["protocol", "critic", "method"], sort=False):
        by_epoch = rows.groupby("epoch")["recall_at_1"].agg(["mean", "std"]).fillna(0.0).reset_index()
        curves[str(protocol), str(critic), str(method)] = {
            "epochs/recall_at_1": by_epoch[["epoch", "mean"]].to_numpy().tolist(),
            "epochs/recall_at_1_sd": by_epoch[["epoch", "std"]].to_numpy().tolist(),
        }
    for row in tabulate_candidates(candidates).to_dict("records"):
        metrics = curves[row["protocol"], row["critic"], row["method"]]
        for name in ("recall_at_1", "recall_at_5", "recall_at_10", "median_rank", "log_ratio_error"):
            metrics[f"last_epoch/{row['direction']}/{name}"] = [[last, row[name]]]
    return curves


def best_of_grid(epochs: pd.DataFrame) -> pd.DataFrame:
    """The best epoch and setting per dimension and method, as published: chosen on the points it is reported on."""
    epochs = epochs.assign(dimension=epochs["setting"].str.extract(r"d(\d+)_", expand=False).astype(int))
    means = epochs.groupby(["protocol", "dimension", "critic", "method", "setting", "epoch"])["recall_at_1"].mean()
    table = means.reset_index()
    best = table.groupby(["protocol", "dimension", "critic", "method"])["recall_at_1"].idxmax()
    return table.loc[best].reset_index(drop=True)
