"""Suite `stamps`: the models of one split, from the frozen networks' features."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from ucl.runtime import generator
from ucl.stamps.models import MODELS, build
from ucl.stamps.splits import split_groups
from ucl.stamps.towers import TwoTowers
from ucl.stamps.training import Recipe, judge_pairs, judge_pseudo, pair_loss, pseudo_loss, train
from ucl.stamps.world import World

__all__ = ["SPOKEN", "recipe_of", "split_stamps", "train_on_classes", "train_on_pairs", "train_spoken"]

SPOKEN = ("image_text", "audio_text", "audio_image")  # the models of a split of pictures and speech
HELD_OUT = 5  # of so many classes one judges the model that is trained on classes alone


def recipe_of(model: str, section: Mapping[str, Any]) -> Recipe:
    """Models that read speech have a recipe of their own."""
    return Recipe(**section["audio" if "speech" in MODELS[model] else "image_text"])


def split_stamps(world: World, section: Mapping[str, Any], seed: int) -> dict[str, list[str]]:
    """Stamps by part: image (that model trains on them), speech (that one does), validation and test."""
    parts = split_groups(list(world.groups.values()), section, seed)
    stamps: dict[str, list[str]] = {}
    for name, group in world.groups.items():
        stamps.setdefault(parts[group], []).append(name)
    return stamps


def train_spoken(world: World, section: Mapping[str, Any], seed: int) -> dict[str, TwoTowers]:
    """The two models of a bridge, on disjoint stamps, and the one trained on true pairs of all training stamps."""
    parts = split_stamps(world, section, seed)
    learn = {
        "image_text": parts["image"],
        "audio_text": parts["speech"],
        "audio_image": [*parts["image"], *parts["speech"]],
    }
    return {name: train_on_pairs(name, world, learn[name], parts["validation"], section, seed) for name in SPOKEN}


def train_on_pairs(
    name: str, world: World, learn: Iterable[str], judge: Iterable[str], section: Mapping[str, Any], seed: int
) -> TwoTowers:
    """A model on pairs of some stamps, judged by others; with pseudo pairs where it describes and reads English."""
    recipe, random = recipe_of(name, section), generator(seed, 43, list(MODELS).index(name))
    model = _build(name, world, recipe, random)
    kinds = MODELS[name]
    sides = (world.sides[kinds[0]], world.sides[kinds[1]])
    loss = pairs = pair_loss(model, sides, world.by_group(learn, name), recipe.batch)
    if kinds[1] == "text":
        pseudo = pseudo_loss(model, world.classes[kinds[0]], recipe.batch)

        def loss(random: torch.Generator) -> torch.Tensor:
            return pairs(random) + recipe.pseudo * pseudo(random)

    judged = judge_pairs(model, sides, world.seen(judge, *kinds))
    return train(model, loss, judged, recipe, random, progress=name)


def train_on_classes(name: str, world: World, section: Mapping[str, Any], seed: int) -> TwoTowers:
    """A model on its frozen network's classes and their names alone: no stamp is seen."""
    recipe, random = recipe_of(name, section), generator(seed, 44, list(MODELS).index(name))
    model = _build(name, world, recipe, random)
    classes = world.classes[MODELS[name][0]]
    order = torch.randperm(len(classes.names), generator=random)
    held_out, learn = order[: len(order) // HELD_OUT], order[len(order) // HELD_OUT :]
    loss = pseudo_loss(model, classes, recipe.batch, learn)
    return train(model, loss, judge_pseudo(model, classes, held_out), recipe, random, progress=f"{name}, classes")


def _build(name: str, world: World, recipe: Recipe, random: torch.Generator) -> TwoTowers:
    torch.manual_seed(random.initial_seed())  # layers are initialised from the global generator
    return build(name, recipe.width, recipe.hidden, world.classes)
