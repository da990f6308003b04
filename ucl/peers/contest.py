"""Experiment `peers`: every way to bridge on every world whose truth is known, against the same exact scorer."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from ucl.synthetic import streams
from ucl.trials import Encoder, World, optimisation_of, train_boxes, train_reference, wide_encoder
from ucl.worlds import MultimodalWorld, XorWorld, gaussian_log_ratio_given_b

__all__ = ["REFERENCES", "WORLDS", "learn", "play", "summarise"]

REFERENCES = ("ground_truth", "symile_marginal", "bayes", "symile", "bayes_given_b")
GIVEN_B = {"symile": "bayes_given_b", "bayes_given_b": "bayes_given_b"}  # the query comes with its own B


@dataclass(frozen=True)
class Scene:
    """A world and how it is learned: the critic, and whether one encoder of B serves both models."""

    world: str
    critic: str
    shared: bool = True


WORLDS = {
    "gaussian_l2": Scene("gaussian", "l2"),
    "gaussian_squared_l2": Scene("gaussian", "squared_l2"),
    "gaussian_dot": Scene("gaussian", "dot"),
    "gaussian_cosine": Scene("gaussian", "cosine"),
    "disparate": Scene("gaussian", "l2", shared=False),
    "dependent": Scene("dependent", "l2"),
    "multimodal": Scene("multimodal", "cosine"),
    "xor": Scene("xor", "cosine"),
}


def learn(params: Contest, name: str, progress: bool = True) -> dict[str, Tensor]:
    """Train the models of a world and embed held-out queries, a bank apart from them, and training samples.

    Returns `a`, `c`, `for_a`, `for_c`, `memory_a`, `memory_c` [S, ., d], `scale_ab`, `scale_bc` [S], and each
    reference's Recall@1 as `recall.<reference>` [S].
    """
    scene, label = WORLDS[name], f"train {name}" if progress else None
    world, encoder, params = _build(params, scene)
    draws = {draw: world.sample(params.pairs, streams(params.seeds, draw)) for draw in ("ab", "bc", "ac")}
    queries = world.sample(params.validation, streams(params.seeds, "validation"))
    bank = world.sample(params.bank, streams(params.seeds, "bank")).b
    widths = None if scene.shared else (params.dimension, params.dimension)
    boxes = train_boxes(params, scene.critic, draws, widths=widths, encoder=encoder, progress=label)
    step = boxes.look(queries.a, queries.c, bank)
    memory = boxes.look(draws["ab"].a[:, : params.memory], draws["bc"].c[:, : params.memory], bank[:, :1])
    tensors = {"a": step.a, "c": step.c, "for_a": step.for_a, "for_c": step.for_c}
    tensors |= {"memory_a": memory.a, "memory_c": memory.c}
    tensors |= {"scale_ab": torch.as_tensor(step.ab.scale), "scale_bc": torch.as_tensor(step.bc.scale)}
    recalls = _references(params, scene, world, encoder, draws, queries, bank, label)
    return tensors | {f"recall.{method}": recall.double() for method, recall in recalls.items()}


def play(params: Contest, name: str, tensors: Mapping[str, Tensor], progress: bool = True) -> pd.DataFrame:
    """Every method on every seed of a world: a table seed, method, recall_at_1, seconds (to fit and to score).

    Methods that are not defined there are left out; references carry no seconds.
    """
    kind = CRITICS[WORLDS[name].critic]
    rows: list[tuple[int, str, float, float | None]] = []
    for seed in tqdm(range(params.seeds), f"peers, {name}", unit="seed", disable=not progress):
        for_a, for_c, memory_a, memory_c = (tensors[key][seed] for key in ("for_a", "for_c", "memory_a", "memory_c"))
        ab, bc = (kind(float(tensors[f"scale_{pair}"][seed])) for pair in ("ab", "bc"))
        bank = SharedBank(for_a, for_c, ab, bc, memory_a, memory_c)
        for peer in (method() for method in PEERS):
            if peer.applies(bank):
                recall, seconds = _time(peer, bank, tensors["a"][seed], tensors["c"][seed], params.candidates)
                rows.append((seed, peer.name, recall, seconds))
        rows += [(seed, method, float(tensors[f"recall.{method}"][seed]), None) for method in REFERENCES]
    return pd.DataFrame(rows, columns=["seed", "method", "recall_at_1", "seconds"])


def summarise(tables: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, dict[str, float | None]]]:
    """`{world: {method: {recall_at_1, ci95, regret_to_bayes, seconds}}}`.

    `ci95` is the half-width of the mean's 95 % interval over seeds (Student's t). `regret_to_bayes` is what the exact
    scorer that knows as much as the method reaches beyond it: for Symile, whose queries hold their B, given B.
    """
    return {world: {m: _entry(table, m) for m in table["method"].unique()} for world, table in tables.items()}


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


def _build(params: Contest, scene: Scene) -> tuple[World, Encoder, Contest]:
    """The world's draws, its encoders, and the parameters it is learned with."""
    if scene.world in ("gaussian", "dependent"):
        dims = (params.dims.a, params.dims.b, params.dims.c)
        world = GaussianWorld.draw(streams(params.seeds, "world"), dims, params.noise)
        if scene.world == "dependent":
            world = replace(world, shared_noise=params.shared_noise)
        return world, synthetic_encoder, params
    wide = params.model_copy(update={"learning_rate": params.wide.learning_rate})
    views: dict[str, World] = {
        "multimodal": MultimodalWorld(**params.multimodal.model_dump()),
        "xor": XorWorld(**params.xor.model_dump()),
    }
    return views[scene.world], wide_encoder(params.wide.width), wide


def _references(
    params: Contest,
    scene: Scene,
    world: World,
    encoder: Encoder,
    draws: Mapping[str, Triples],
    queries: Triples,
    bank: Float[Tensor, "s m db"],
    label: str | None,
) -> dict[str, Float[Tensor, " s"]]:
    """Recall@1 of those who saw more than a bridge may: (A, C) pairs, triples, or the world itself."""
    recall = partial(recall_in_groups, candidates=params.candidates)
    critic = "l2" if isinstance(world, GaussianWorld) else scene.critic
    paired = train_reference(params, critic, draws["ac"], encoder, label and f"{label}, reference")
    symile = _train_symile(params, world, encoder, draws["ab"], label)
    with torch.no_grad():
        learned = paired.critic(paired.encode("a", queries.a), paired.encode("c", queries.c))
        a, b, c = symile.encode(queries)
        marginal = symile.score_marginal(a, symile.encoders["b"](bank[:, : params.memory]), c, params.candidates)
        given_b = symile.score(a, b, c)
    if isinstance(world, GaussianWorld):
        exact_given_b = gaussian_log_ratio_given_b(world, queries.a, queries.b, queries.c)
    else:
        exact_given_b = world.log_ratio_given_b(queries.a, queries.b, queries.c)  # type: ignore[attr-defined]
    exact = _in_random_order(world.log_ratio(queries.a, queries.c))
    hits = (expected_rank(marginal) <= 1).double().mean((-2, -1))
    recalls = (recall(learned), hits, recall(exact), recall(given_b), recall(exact_given_b))
    return dict(zip(REFERENCES, recalls, strict=True))


def _train_symile(params: Contest, world: World, encoder: Encoder, triples: Triples, label: str | None) -> SymileModel:
    encoders = {m: encoder(streams(params.seeds, m), getattr(triples, m).shape[-1], params.dimension) for m in "abc"}
    symile = SymileModel(encoders, params.log_scale, params.seeds)
    train_symile(
        symile, triples, optimisation_of(params), streams(params.seeds, "shuffle"), label and f"{label}, Symile"
    )
    return symile


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
