"""The two models of a scene, trained, and what they make of queries, a bank and training samples."""

from typing import NamedTuple

import torch
from torch import Tensor

from ucl.experiments.gaussian import recipe_of
from ucl.experiments.scenes import SCENES
from ucl.experiments.settings import SceneTraining
from ucl.experiments.worlds import World, build_world
from ucl.learning.model_pairs import ModelPair, train_model_pair
from ucl.worlds.draws import streams

__all__ = ["Learned", "learn_scene"]


class Learned(NamedTuple):
    """`tensors`: `a`, `c`, true pairs held out; `for_a`, `for_c`, a bank apart from them; `memory_a`, `memory_c`,
    training samples, unpaired, all [S, ., d]; and `scale_ab`, `scale_bc` [S]."""

    world: World
    pair: ModelPair
    tensors: dict[str, Tensor]


def learn_scene(params: SceneTraining, name: str, *, bank: int, memory: int, progress: bool = True) -> Learned:
    """Train the two models of a scene and embed `bank` samples of B and `memory` samples of A and of C."""
    scene = SCENES[name]
    world, encoder, params = build_world(params, scene.world)
    draws = {draw: world.sample(params.pairs, streams(params.seeds, draw)) for draw in ("ab", "bc")}
    queries = world.sample(params.validation, streams(params.seeds, "validation"))
    b = world.sample(bank, streams(params.seeds, "bank")).b
    widths = None if scene.shared else (params.dimension, params.dimension)
    label = f"train {name}" if progress else None
    pair = train_model_pair(recipe_of(params), scene.critic, draws, widths=widths, encoder=encoder, progress=label)
    known = pair.embed(queries.a, queries.c, b)
    memory_a, memory_c = pair.embed_ends(draws["ab"].a[:, :memory], draws["bc"].c[:, :memory])
    tensors = {"a": known.a, "c": known.c, "for_a": known.for_a, "for_c": known.for_c}
    tensors |= {"memory_a": memory_a, "memory_c": memory_c}
    tensors |= {"scale_ab": torch.as_tensor(known.ab.scale), "scale_bc": torch.as_tensor(known.bc.scale)}
    return Learned(world, pair, tensors)
