"""Trials of a bridge: two models of pairs trained for S seeds at once, and every method's recall on their embeddings.

A world says what the modalities are, `Boxes` what was learned about its pairs, `Step` what the queries, candidates and
the bank look like to the two models at one moment of training.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ucl.config import GaussianTraining
from ucl.critics import Critic
from ucl.encoders import StackedLinear, synthetic_encoder
from ucl.gaussian import Triples
from ucl.grouped import Side, monte_carlo_recalls
from ucl.metrics import recall_in_groups
from ucl.synthetic import streams
from ucl.training import ContrastiveModel, Optimisation, train

__all__ = ["Boxes", "Step", "World", "method_recalls", "train_boxes", "train_reference", "wide_encoder"]

Encoder = Callable[[Sequence[torch.Generator], int, int], nn.Module]  # (one generator per seed, inputs, outputs)


class World(Protocol):
    """Something to draw triples from, with an exact scorer of pairs."""

    def sample(self, n: int, generators: Sequence[torch.Generator]) -> Triples: ...

    def log_ratio(self, a: Float[Tensor, "s n da"], c: Float[Tensor, "s k dc"]) -> Float[Tensor, "s n k"]: ...


@dataclass(frozen=True)
class Step:
    """Embeddings of queries and candidates (row i of `a` belongs to row i of `c`) and of the bank in both models."""

    ab: Critic
    bc: Critic
    a: Float[Tensor, "s n d1"]
    c: Float[Tensor, "s n d2"]
    for_a: Float[Tensor, "s m d1"]
    for_c: Float[Tensor, "s m d2"]


@dataclass(frozen=True)
class Boxes:
    """A model of (A, B) and one of (B, C); the same object twice where they share the encoder of B."""

    ab: ContrastiveModel
    bc: ContrastiveModel

    @torch.no_grad()
    def look(self, a: Float[Tensor, "s n da"], c: Float[Tensor, "s n dc"], bank: Float[Tensor, "s m db"]) -> Step:
        """What the two models make of queries, candidates and a bank."""
        return Step(
            self.ab.critic,
            self.bc.critic,
            self.ab.encode("a", a),
            self.bc.encode("c", c),
            self.ab.encode("b", bank),
            self.bc.encode("b", bank),
        )


def wide_encoder(width: int) -> Encoder:
    """A plain network with two hidden layers: for worlds whose views are not linear."""

    def build(generators: Sequence[torch.Generator], inputs: int, outputs: int) -> nn.Module:
        layers = [StackedLinear(generators, i, o) for i, o in ((inputs, width), (width, width), (width, outputs))]
        return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])

    return build


def optimisation_of(params: GaussianTraining) -> Optimisation:
    """The section's training settings."""
    return Optimisation(params.epochs, params.batch_size, params.learning_rate, params.decay_epoch, params.norm_penalty)


def train_boxes(
    params: GaussianTraining,
    critic: str,
    data: Mapping[str, Triples],
    *,
    widths: tuple[int, int] | None = None,
    encoder: Encoder = synthetic_encoder,
    on_epoch: Callable[[int, Boxes], None] = lambda epoch, boxes: None,
    progress: str | None = None,
) -> Boxes:
    """Train on `data["ab"]` and `data["bc"]`: one model with a shared encoder of B, or, given the `widths` of their
    embeddings, two black boxes that know nothing of each other, one learned scale each."""
    pairs = {pair: {m: getattr(data[pair], m) for m in pair} for pair in ("ab", "bc")}
    if widths is None:
        return _train_shared(params, critic, pairs, encoder, on_epoch, progress)
    models = [
        _model(params, critic, {m: x.shape[-1] for m, x in pairs[pair].items()}, [pair], width, encoder, box)
        for box, (pair, width) in enumerate(zip(pairs, widths, strict=True))
    ]
    boxes = Boxes(*models)
    saved: list[dict[str, Tensor]] = []

    def keep(epoch: int, model: ContrastiveModel, losses: Mapping[str, Tensor]) -> None:
        saved.append({key: value.clone() for key, value in model.state_dict().items()})

    def advance(epoch: int, model: ContrastiveModel, losses: Mapping[str, Tensor]) -> None:
        boxes.ab.load_state_dict(saved[epoch])
        on_epoch(epoch, boxes)

    for pair, model, then in zip(pairs, models, (keep, advance), strict=True):
        shuffles = streams(params.seeds, "shuffle")
        columns = {pair: (pairs[pair][pair[0]], pairs[pair][pair[1]])}
        train(model, columns, optimisation_of(params), shuffles, then, progress and f"{progress}, {pair}")
    return boxes


def train_reference(
    params: GaussianTraining,
    critic: str,
    data: Triples,
    encoder: Encoder = synthetic_encoder,
    progress: str | None = None,
) -> ContrastiveModel:
    """The A-C model that has seen the pairs no bridge has ("ground truth" in the paper)."""
    model = _model(params, critic, {"a": data.a.shape[-1], "c": data.c.shape[-1]}, ["ac"], params.dimension, encoder)
    shuffles = streams(params.seeds, "shuffle")
    train(model, {"ac": (data.a, data.c)}, optimisation_of(params), shuffles, lambda *_: None, progress)
    return model


def method_recalls(step: Step, candidates: int) -> dict[str, Float[Tensor, " s"]]:
    """Recall@1 among `candidates` per seed: direct (the narrower embedding padded with zeros), three Monte Carlos."""
    width = max(step.a.shape[-1], step.c.shape[-1])
    a, c = (torch.nn.functional.pad(x, (0, width - x.shape[-1])) for x in (step.a, step.c))
    recalls = {"direct": recall_in_groups(step.bc(a, c), candidates)}
    sides = Side(step.ab, step.a, step.for_a), Side(step.bc, step.c, step.for_c)
    return recalls | monte_carlo_recalls(*sides, candidates)


def _train_shared(
    params: GaussianTraining,
    critic: str,
    pairs: Mapping[str, Mapping[str, Tensor]],
    encoder: Encoder,
    on_epoch: Callable[[int, Boxes], None],
    progress: str | None,
) -> Boxes:
    inputs = {m: x.shape[-1] for pair in pairs.values() for m, x in pair.items()}
    model = _model(params, critic, inputs, ["ab", "bc"], params.dimension, encoder)
    columns = {name: (pair[name[0]], pair[name[1]]) for name, pair in pairs.items()}
    after = lambda epoch, model, losses: on_epoch(epoch, Boxes(model, model))  # noqa: E731
    train(model, columns, optimisation_of(params), streams(params.seeds, "shuffle"), after, progress)
    return Boxes(model, model)


def _model(
    params: GaussianTraining,
    critic: str,
    inputs: Mapping[str, int],
    pairs: Sequence[str],
    width: int,
    encoder: Encoder,
    box: int = 0,
) -> ContrastiveModel:
    """`box` 1 draws other initial weights, so that a second model's encoder of B is not a twin of the first's."""
    generators = {m: streams(params.seeds, m) for m in inputs}
    for stream in (g for several in generators.values() for g in several):
        stream.manual_seed(stream.initial_seed() + box)
    encoders = {m: encoder(generators[m], n, width) for m, n in inputs.items()}
    names = {pair: (pair[0], pair[1]) for pair in pairs}
    return ContrastiveModel(encoders, names, critic, params.log_scale, params.seeds)
