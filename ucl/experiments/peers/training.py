"""Training of `peers`: the two models of a world, and those who saw more than a bridge may."""

from functools import partial

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ucl.experiments.gaussian import optimisation_of, recipe_of
from ucl.experiments.learned import learn_scene
from ucl.experiments.peers.config import Models
from ucl.experiments.peers.methods import OF_WORLDS
from ucl.experiments.worlds import build_world
from ucl.learning.model_pairs import Encoder, train_reference
from ucl.learning.symile import SymileModel, train_symile
from ucl.runtime import generator
from ucl.statistics.retrieval import expected_rank, recall_in_groups
from ucl.worlds.draws import streams
from ucl.worlds.gaussian import GaussianWorld, Triples, gaussian_log_ratio_given_b
from ucl.worlds.multimodal import MultimodalWorld
from ucl.worlds.xor import XorWorld

__all__ = ["learn", "refer"]


def learn(params: Models, name: str, progress: bool = True) -> dict[str, Tensor]:
    """Train the two models of a scene and embed held-out queries, a bank apart from them, and training samples.

    Returns `a`, `c`, `for_a`, `for_c`, `memory_a`, `memory_c` [S, ., d] and `scale_ab`, `scale_bc` [S]; and true pairs
    `paired_a`, `paired_c`, which no bridge sees: what the embeddings hold.
    """
    world, pair, tensors = learn_scene(params, name, bank=params.bank, memory=params.memory, progress=progress)
    pairs = world.sample(params.pairs, streams(params.seeds, "ac"))
    paired_a, paired_c = pair.embed_ends(pairs.a, pairs.c)
    return tensors | {"paired_a": paired_a, "paired_c": paired_c}


def refer(params: Models, world_name: str, progress: bool = True) -> pd.DataFrame:
    """Who saw more than a bridge may: a model of (A, C) pairs, Symile, the world itself.

    A table seed, method, recall_at_1, on the queries of `learn`.
    """
    world, encoder, params = build_world(params, world_name)
    queries = world.sample(params.validation, streams(params.seeds, "validation"))
    pairs, triples = (world.sample(params.pairs, streams(params.seeds, draw)) for draw in ("ac", "ab"))
    label = f"train references, {world_name}" if progress else None
    critic = "l2" if isinstance(world, GaussianWorld) else "cosine"
    paired = train_reference(recipe_of(params), critic, pairs, encoder, label)
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
    table = pd.DataFrame({method: recalls[method].double().numpy() for method in OF_WORLDS}).rename_axis("seed")
    return table.reset_index().melt("seed", var_name="method", value_name="recall_at_1")


def _train_symile(params: Models, encoder: Encoder, triples: Triples, label: str | None) -> SymileModel:
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
