"""Two models of pairs that share a modality, trained for S seeds at once: what a bridge is given.

`ModelPair` is what was learned about the pairs of a world, `Embedded` what queries, candidates and the bank look like
to the two models at one moment of training.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ucl.core.critics import Critic
from ucl.learning.encoders import synthetic_encoder
from ucl.learning.training import ContrastiveModel, Optimisation, train
from ucl.worlds.draws import streams
from ucl.worlds.gaussian import Triples

__all__ = ["Embedded", "Encoder", "ModelPair", "Recipe", "train_model_pair", "train_reference"]

Encoder = Callable[[Sequence[torch.Generator], int, int], nn.Module]  # (one generator per seed, inputs, outputs)


@dataclass(frozen=True)
class Recipe:
    """How the models of a pair are built and trained, all seeds at once."""

    seeds: int
    dimension: int  # of the representations
    log_scale: float  # initial value of the learned log scale
    optimisation: Optimisation


@dataclass(frozen=True)
class Embedded:
    """Embeddings of queries and candidates (row i of `a` belongs to row i of `c`) and of the bank in both models."""

    ab: Critic
    bc: Critic
    a: Float[Tensor, "s n d1"]
    c: Float[Tensor, "s n d2"]
    for_a: Float[Tensor, "s m d1"]
    for_c: Float[Tensor, "s m d2"]


@dataclass(frozen=True)
class ModelPair:
    """A model of (A, B) and one of (B, C); the same object twice where they share the encoder of B."""

    ab: ContrastiveModel
    bc: ContrastiveModel

    @torch.no_grad()
    def embed(self, a: Float[Tensor, "s n da"], c: Float[Tensor, "s n dc"], bank: Float[Tensor, "s m db"]) -> Embedded:
        """What the two models make of queries, candidates and a bank."""
        ends = self.embed_ends(a, c)
        return Embedded(self.ab.critic, self.bc.critic, *ends, self.ab.encode("b", bank), self.bc.encode("b", bank))

    @torch.no_grad()
    def embed_ends(
        self, a: Float[Tensor, "s n da"], c: Float[Tensor, "s k dc"]
    ) -> tuple[Float[Tensor, "s n d1"], Float[Tensor, "s k d2"]]:
        """What they make of samples of A and of C alone."""
        return self.ab.encode("a", a), self.bc.encode("c", c)


def train_model_pair(
    recipe: Recipe,
    critic: str,
    data: Mapping[str, Triples],
    *,
    widths: tuple[int, int] | None = None,
    encoder: Encoder = synthetic_encoder,
    on_epoch: Callable[[int, ModelPair], None] = lambda epoch, boxes: None,
    progress: str | None = None,
) -> ModelPair:
    """Train on `data["ab"]` and `data["bc"]`: one model with a shared encoder of B, or, given the `widths` of their
    embeddings, two black boxes that know nothing of each other, one learned scale each."""
    pairs = {pair: {m: getattr(data[pair], m) for m in pair} for pair in ("ab", "bc")}
    if widths is None:
        return _train_shared(recipe, critic, pairs, encoder, on_epoch, progress)
    models = [
        _model(recipe, critic, {m: x.shape[-1] for m, x in pairs[pair].items()}, [pair], width, encoder, box)
        for box, (pair, width) in enumerate(zip(pairs, widths, strict=True))
    ]
    boxes = ModelPair(*models)
    saved: list[dict[str, Tensor]] = []

    def keep(epoch: int, model: ContrastiveModel, losses: Mapping[str, Tensor]) -> None:
        saved.append({key: value.clone() for key, value in model.state_dict().items()})

    def advance(epoch: int, model: ContrastiveModel, losses: Mapping[str, Tensor]) -> None:
        boxes.ab.load_state_dict(saved[epoch])
        on_epoch(epoch, boxes)

    for pair, model, then in zip(pairs, models, (keep, advance), strict=True):
        shuffles = streams(recipe.seeds, "shuffle")
        columns = {pair: (pairs[pair][pair[0]], pairs[pair][pair[1]])}
        train(model, columns, recipe.optimisation, shuffles, then, progress and f"{progress}, {pair}")
    return boxes


def train_reference(
    recipe: Recipe,
    critic: str,
    data: Triples,
    encoder: Encoder = synthetic_encoder,
    progress: str | None = None,
) -> ContrastiveModel:
    """The A-C model that has seen the pairs no bridge has ("ground truth" in the paper)."""
    model = _model(recipe, critic, {"a": data.a.shape[-1], "c": data.c.shape[-1]}, ["ac"], recipe.dimension, encoder)
    shuffles = streams(recipe.seeds, "shuffle")
    train(model, {"ac": (data.a, data.c)}, recipe.optimisation, shuffles, lambda *_: None, progress)
    return model


def _train_shared(
    recipe: Recipe,
    critic: str,
    pairs: Mapping[str, Mapping[str, Tensor]],
    encoder: Encoder,
    on_epoch: Callable[[int, ModelPair], None],
    progress: str | None,
) -> ModelPair:
    inputs = {m: x.shape[-1] for pair in pairs.values() for m, x in pair.items()}
    model = _model(recipe, critic, inputs, ["ab", "bc"], recipe.dimension, encoder)
    columns = {name: (pair[name[0]], pair[name[1]]) for name, pair in pairs.items()}
    model.to(columns["ab"][0].device)
    after = lambda epoch, model, losses: on_epoch(epoch, ModelPair(model, model))  # noqa: E731
    train(model, columns, recipe.optimisation, streams(recipe.seeds, "shuffle"), after, progress)
    return ModelPair(model, model)


def _model(
    recipe: Recipe,
    critic: str,
    inputs: Mapping[str, int],
    pairs: Sequence[str],
    width: int,
    encoder: Encoder,
    box: int = 0,
) -> ContrastiveModel:
    """`box` 1 draws other initial weights, so that a second model's encoder of B is not a twin of the first's."""
    generators = {m: streams(recipe.seeds, m) for m in inputs}
    for stream in (g for several in generators.values() for g in several):
        stream.manual_seed(stream.initial_seed() + box)
    encoders = {m: encoder(generators[m], n, width) for m, n in inputs.items()}
    names = {pair: (pair[0], pair[1]) for pair in pairs}
    return ContrastiveModel(encoders, names, critic, recipe.log_scale, recipe.seeds)
