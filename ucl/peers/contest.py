"""Experiment `peers`: every way to bridge on every world whose truth is known, against the same exact scorer."""

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import pandas as pd
import torch
from jaxtyping import Float
from scipy.stats import t
from torch import Tensor
from tqdm import tqdm

from ucl.config import Contest
from ucl.critics import CRITICS
from ucl.encoders import synthetic_encoder
from ucl.gaussian import GaussianWorld, Triples
from ucl.metrics import expected_rank, recall_in_groups
from ucl.peers import PEERS, Peer, SharedBank
from ucl.peers.symile import SymileModel, train_symile
from ucl.runtime import generator
from ucl.scenes import SCENES
from ucl.synthetic import streams
from ucl.trials import Encoder, optimisation_of, train_boxes, train_reference, wide_encoder
from ucl.worlds import MultimodalWorld, XorWorld, gaussian_log_ratio_given_b

__all__ = ["REFERENCES", "learn", "play", "refer", "summarise", "tabulate", "verdicts"]

REFERENCES = ("ground_truth", "symile_marginal", "bayes", "symile", "bayes_given_b")
GIVEN_B = {"symile": "bayes_given_b", "bayes_given_b": "bayes_given_b"}  # the query comes with its own B


def learn(params: Contest, name: str, progress: bool = True) -> dict[str, Tensor]:
    """Train the two models of a scene and embed held-out queries, a bank apart from them, and training samples.

    Returns `a`, `c`, `for_a`, `for_c`, `memory_a`, `memory_c` [S, ., d] and `scale_ab`, `scale_bc` [S].
    """
    scene = SCENES[name]
    world, encoder, params = _build(params, scene.world)
    draws = {draw: world.sample(params.pairs, streams(params.seeds, draw)) for draw in ("ab", "bc")}
    queries = world.sample(params.validation, streams(params.seeds, "validation"))
    bank = world.sample(params.bank, streams(params.seeds, "bank")).b
    widths = None if scene.shared else (params.dimension, params.dimension)
    label = f"train {name}" if progress else None
    boxes = train_boxes(params, scene.critic, draws, widths=widths, encoder=encoder, progress=label)
    step = boxes.look(queries.a, queries.c, bank)
    memory = boxes.look(draws["ab"].a[:, : params.memory], draws["bc"].c[:, : params.memory], bank[:, :1])
    tensors = {"a": step.a, "c": step.c, "for_a": step.for_a, "for_c": step.for_c}
    tensors |= {"memory_a": memory.a, "memory_c": memory.c}
    return tensors | {"scale_ab": torch.as_tensor(step.ab.scale), "scale_bc": torch.as_tensor(step.bc.scale)}


def refer(params: Contest, world_name: str, progress: bool = True) -> pd.DataFrame:
    """Who saw more than a bridge may: a model of (A, C) pairs, Symile, the world itself.

    A table seed, method, recall_at_1, on the queries of `learn`.
    """
    world, encoder, params = _build(params, world_name)
    queries = world.sample(params.validation, streams(params.seeds, "validation"))
    pairs, triples = (world.sample(params.pairs, streams(params.seeds, draw)) for draw in ("ac", "ab"))
    label = f"train references, {world_name}" if progress else None
    critic = "l2" if isinstance(world, GaussianWorld) else "cosine"
    paired = train_reference(params, critic, pairs, encoder, label)
    symile = _train_symile(params, encoder, triples, label and f"{label}, Symile")
    recall = partial(recall_in_groups, candidates=params.candidates)
    with torch.no_grad():
        learned = paired.critic(paired.encode("a", queries.a), paired.encode("c", queries.c))
        a, b, c = symile.encode(queries)
        bank = world.sample(params.memory, streams(params.seeds, "bank")).b
        marginal = symile.score_marginal(a, symile.encoders["b"](bank), c, params.candidates)
        given_b = symile.score(a, b, c)
    recalls = {
        "ground_truth": recall(learned),
        "symile_marginal": (expected_rank(marginal) <= 1).double().mean((-2, -1)),
        "bayes": recall(_in_random_order(world.log_ratio(queries.a, queries.c))),
        "symile": recall(given_b),
        "bayes_given_b": recall(_exact_given_b(world, queries)),
    }
    table = pd.DataFrame({method: recalls[method].double().numpy() for method in REFERENCES}).rename_axis("seed")
    return table.reset_index().melt("seed", var_name="method", value_name="recall_at_1")


def play(params: Contest, name: str, tensors: Mapping[str, Tensor], progress: bool = True) -> pd.DataFrame:
    """Every method on every seed of a scene: a table seed, method, recall_at_1, seconds (to fit and to score).

    Methods that are not defined there are left out.
    """
    kind = CRITICS[SCENES[name].critic]
    rows: list[tuple[int, str, float, float]] = []
    for seed in tqdm(range(params.seeds), f"peers, {name}", unit="seed", disable=not progress):
        for_a, for_c, memory_a, memory_c = (tensors[key][seed] for key in ("for_a", "for_c", "memory_a", "memory_c"))
        ab, bc = (kind(float(tensors[f"scale_{pair}"][seed])) for pair in ("ab", "bc"))
        bank = SharedBank(for_a, for_c, ab, bc, memory_a, memory_c)
        for peer in (method() for method in PEERS):
            if peer.applies(bank):
                recall, seconds = _time(peer, bank, tensors["a"][seed], tensors["c"][seed], params.candidates)
                rows.append((seed, peer.name, recall, seconds))
    return pd.DataFrame(rows, columns=["seed", "method", "recall_at_1", "seconds"])


def summarise(tables: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, dict[str, float | None]]]:
    """`{world: {method: {recall_at_1, ci95, regret_to_bayes, seconds}}}`; each table holds methods and references.

    `ci95` is the half-width of the mean's 95 % interval over seeds (Student's t). `regret_to_bayes` is what the exact
    scorer that knows as much as the method reaches beyond it: for Symile, whose queries hold their B, given B.
    """
    return {world: {m: _entry(table, m) for m in table["method"].unique()} for world, table in tables.items()}


def tabulate(summary: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> pd.DataFrame:
    """A row per method, a column `recall ± ci95` per world; empty where a method is not defined."""
    methods = list(dict.fromkeys(method for entries in summary.values() for method in entries))
    rows = []
    for method in sorted(methods, key=lambda m: (m in REFERENCES, methods.index(m))):
        found = {world: entries.get(method) for world, entries in summary.items()}
        cells = {w: f"{e['recall_at_1']:.3f} ± {e['ci95']:.3f}" if e else "" for w, e in found.items()}
        rows.append({"method": method} | cells)
    return pd.DataFrame(rows)


def _entry(table: pd.DataFrame, method: str) -> dict[str, float | None]:
    own = table[table["method"] == method]
    best = table[table["method"] == GIVEN_B.get(method, "bayes")]["recall_at_1"].mean()
    seconds = own["seconds"].mean()
    return {
        "recall_at_1": float(own["recall_at_1"].mean()),
        "ci95": half_width(own["recall_at_1"]),
        "regret_to_bayes": float(best - own["recall_at_1"].mean()),
        "seconds": None if pd.isna(seconds) else float(seconds),
    }


def half_width(values: pd.Series) -> float:
    """Half-width of the mean's 95 % interval; 0 for a single value, which has none."""
    if len(values) < 2:
        return 0.0
    return float(t.ppf(0.975, len(values) - 1) * values.std() / len(values) ** 0.5)


def _build(params: Contest, name: str) -> tuple[GaussianWorld | MultimodalWorld | XorWorld, Encoder, Contest]:
    """A world, its encoders, and the parameters it is learned with."""
    if name in ("gaussian", "dependent"):
        dims = (params.dims.a, params.dims.b, params.dims.c)
        world = GaussianWorld.draw(streams(params.seeds, "world"), dims, params.noise)
        shared = params.shared_noise if name == "dependent" else 0.0
        return replace(world, shared_noise=shared), synthetic_encoder, params
    wide = params.model_copy(update={"learning_rate": params.wide.learning_rate})
    encoder = wide_encoder(params.wide.width)
    if name == "multimodal":
        return MultimodalWorld(**params.multimodal.model_dump()), encoder, wide
    return XorWorld(**params.xor.model_dump()), encoder, wide


def _train_symile(params: Contest, encoder: Encoder, triples: Triples, label: str | None) -> SymileModel:
    encoders = {m: encoder(streams(params.seeds, m), getattr(triples, m).shape[-1], params.dimension) for m in "abc"}
    symile = SymileModel(encoders, params.log_scale, params.seeds)
    train_symile(symile, triples, optimisation_of(params), streams(params.seeds, "shuffle"), label)
    return symile


def _exact_given_b(world: GaussianWorld | MultimodalWorld | XorWorld, queries: Triples) -> Float[Tensor, "s n n"]:
    if isinstance(world, GaussianWorld):
        return gaussian_log_ratio_given_b(world, queries.a, queries.b, queries.c)
    return world.log_ratio_given_b(queries.a, queries.b, queries.c)


def _in_random_order(scores: Float[Tensor, "s n k"]) -> Float[Tensor, "s n k"]:
    """Ties put in random order: where the exact ratio is the same for all, any order is as good as another."""
    return scores + 1e-9 * torch.rand(scores.shape, generator=generator(len(scores)), dtype=scores.dtype)


def _time(
    peer: Peer, bank: SharedBank, a: Float[Tensor, "n d1"], c: Float[Tensor, "n d2"], candidates: int
) -> tuple[float, float]:
    """Recall@1 within groups of candidates, and the seconds it took to fit and to score them."""
    start = time.perf_counter()
    peer.fit(bank)
    groups = [slice(i, i + candidates) for i in range(0, len(a) - candidates + 1, candidates)]
    scores = torch.stack([peer.score(a[rows], c[rows]) for rows in groups])
    seconds = time.perf_counter() - start
    return float((expected_rank(scores) <= 1).double().mean()), seconds


def verdicts(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Who wins where among the bridges: a row per world and method with its mean recall, its half-width, its loss
    against the best bridge of that world, and whether it ties with it.

    Methods tie where the 95 % interval of the paired difference over seeds holds zero.
    """
    rows = []
    for world, table in tables.items():
        recalls = table[~table["method"].isin(REFERENCES)].pivot_table(
            index="seed", columns="method", values="recall_at_1"
        )
        best = str(recalls.mean().idxmax())
        for method in recalls.mean().sort_values(ascending=False, kind="stable").index:
            behind = recalls[best] - recalls[method]
            loss, width = float(behind.mean()), half_width(behind)
            own = {"recall_at_1": float(recalls[method].mean()), "ci95": half_width(recalls[method])}
            rows.append({"world": world, "method": method} | own | {"behind_best": loss, "ties": loss <= width})
    return pd.DataFrame(rows)
