"""Scores of `synthetic`: direct, Monte Carlo and exact, after every epoch and among all candidates."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.core.critics import CRITICS, Critic
from ucl.experiments.settings import GaussianTraining
from ucl.experiments.synthetic.data import Tensors
from ucl.experiments.synthetic.methods import REFERENCE
from ucl.experiments.synthetic.training import build_model
from ucl.learning.recalls import Side, monte_carlo_recalls
from ucl.statistics.retrieval import centred_error, expected_rank, recall_in_groups
from ucl.worlds.draws import Queries
from ucl.worlds.gaussian import GaussianWorld

__all__ = ["evaluate_candidates", "evaluate_epochs"]


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
