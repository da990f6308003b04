"""Pairwise contrastive training, all seeds as one stacked model: a file to read from top to bottom."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from tqdm import tqdm

from ucl.core.critics import CRITICS, Critic
from ucl.learning.encoders import share, stack
from ucl.learning.losses import info_nce

__all__ = ["ContrastiveModel", "Optimisation", "train"]

Pairs = Mapping[str, tuple[Tensor, Tensor]]  # pair -> (x [S, N, dx], y [S, N, dy]), row i of x belongs to row i of y
Seat = tuple[str, int]  # a place for an encoder: a pair, and 0 for its left or 1 for its right


@dataclass(frozen=True)
class Optimisation:
    """How a model is trained (published values in design section 4)."""

    epochs: int
    batch_size: int
    learning_rate: float
    decay_epoch: int  # from this epoch on the learning rate is a tenth
    norm_penalty: float  # weight of the mean squared norm of the representations


class ContrastiveModel(nn.Module):
    """Encoders by modality, and one critic with one learned scale for all pairs of modalities, as published.

    `pairs` maps a pair's name to the names of its two encoders: `{"ab": ("a", "b"), "bc": ("b", "c")}` shares the
    encoder of B between both; two names for B make two black boxes that share only the modality.
    """

    def __init__(
        self,
        encoders: Mapping[str, nn.Module],
        pairs: Mapping[str, tuple[str, str]],
        critic: str,
        log_scale: float,
        models: int,
    ) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.pairs = dict(pairs)
        self.critic_name = critic
        self.log_scale = nn.Parameter(torch.full((models,), float(log_scale)))

    def encode(self, encoder: str, x: Float[Tensor, "s n d_in"]) -> Float[Tensor, "s n d"]:
        """Representations, before any normalisation that the critic does."""
        representation: Tensor = self.encoders[encoder](x)
        return representation

    @property
    def critic(self) -> Critic:
        """The critic with its learned scale (one per stacked model)."""
        return CRITICS[self.critic_name](self.log_scale.detach().exp())


def train(
    model: ContrastiveModel,
    data: Pairs,
    optimisation: Optimisation,
    generators: Sequence[torch.Generator],
    on_epoch: Callable[[int, ContrastiveModel, Mapping[str, Tensor]], None],
    progress: str | None = None,
) -> None:
    """Train on all pairs at once; after each epoch call `on_epoch(epoch, model, mean loss per pair [S])`.

    Every model shuffles with its own generator, so a model's course does not depend on who is stacked with it.
    `progress` labels a progress bar (None: no bar). `model` is in evaluation mode throughout.
    """
    model.eval()
    step = _Step(model, data, optimisation)
    schedule = torch.optim.lr_scheduler.MultiStepLR(step.optimiser, [optimisation.decay_epoch], gamma=0.1)
    for epoch in tqdm(range(optimisation.epochs), desc=progress, disable=progress is None, unit="epoch"):
        orders = {pair: _shuffle(x, generators) for pair, (x, _) in data.items()}
        n = min(order.shape[1] for order in orders.values())
        for call in step.calls:
            call.lay_out({pair: order[:, :n] for pair, order in orders.items()})
        starts = range(0, n, optimisation.batch_size)
        losses = torch.stack([step(slice(start, start + optimisation.batch_size)) for start in starts]).mean(0)
        schedule.step()
        with torch.no_grad():
            on_epoch(epoch, model, dict(zip(step.pairs, losses, strict=True)))


def _shuffle(x: Float[Tensor, "s n d"], generators: Sequence[torch.Generator]) -> Int[Tensor, "s n"]:
    """Every model's order of its rows, as rows of all models' data one below the other."""
    n = x.shape[1]
    orders = [torch.randperm(n, generator=g) + model * n for model, g in enumerate(generators)]
    return torch.stack(orders).to(x.device)


class _Step:
    """A step of training. Its operations are small, so what costs is their number.

    Encoders of the same layers and shapes that see one batch each are trained as one stack, and all pairs are scored
    at once; the model's own parameters are views of the stacks'.
    """

    def __init__(self, model: ContrastiveModel, data: Pairs, optimisation: Optimisation) -> None:
        self.model, self.penalty = model, optimisation.norm_penalty
        inputs = {(pair, side): x for pair, both in data.items() for side, x in enumerate(both)}
        stacks = [(stack(encoders).train(), encoders, calls) for encoders, calls in _plan(model, list(inputs))]
        for whole, encoders, _ in stacks:
            share(whole, encoders)
        self.calls = [_Call(whole, seats, [inputs[s] for s in seats]) for whole, _, calls in stacks for seats in calls]
        # Similarity and loss are symmetric: a call with a seat of every pair is one side of the comparison as it is.
        first = [(pair, 0) for pair in data]
        self.left = next((c.seats for c in self.calls if {pair for pair, _ in c.seats} == set(data)), first)
        self.right = [(pair, 1 - side) for pair, side in self.left]
        self.pairs = [pair for pair, _ in self.left]
        parameters = [model.log_scale, *(p for whole, *_ in stacks for p in whole.parameters())]
        self.optimiser = torch.optim.Adam(parameters, lr=optimisation.learning_rate, fused=True)

    def __call__(self, rows: slice) -> Float[Tensor, "pairs s"]:
        """Take a step on these rows of the epoch; returns the InfoNCE of every pair."""
        blocks = [(call.seats, call.encoder(call.epoch[:, rows])) for call in self.calls]
        x, y = _pick(self.left, blocks), _pick(self.right, blocks)
        scale = self.model.log_scale.exp().repeat(len(self.pairs))[:, None, None]
        losses = info_nce(CRITICS[self.model.critic_name].similarity(x, y, scale)).view(len(self.pairs), -1)
        total = losses.sum()  # models share no parameter, so the gradient of the sum trains each alone
        if self.penalty:
            total = total + self.penalty * (x.square().sum() + y.square().sum()) / x.shape[1]
        self.optimiser.zero_grad()
        total.backward()
        self.optimiser.step()
        return losses.detach()


class _Call:
    """An encoder on the batches of some seats, and the rows of their data in the order of an epoch."""

    def __init__(self, encoder: nn.Module, seats: list[Seat], inputs: list[Float[Tensor, "s _ d"]]) -> None:
        self.encoder, self.seats = encoder, seats
        rows = [x.flatten(0, 1) for x in inputs]
        self.starts = [0, *accumulate(len(x) for x in rows)][:-1]
        self.data = torch.cat(rows)

    def lay_out(self, order: Mapping[str, Int[Tensor, "s n"]]) -> None:
        """Put the data into the order of an epoch, given for every pair."""
        rows = torch.cat([order[pair] + start for (pair, _), start in zip(self.seats, self.starts, strict=True)])
        self.epoch = self.data.index_select(0, rows.flatten()).view(*rows.shape, -1)


def _pick(seats: list[Seat], blocks: Sequence[tuple[list[Seat], Tensor]]) -> Tensor:
    """The parts that belong to `seats`, one below the other, out of blocks with parts for seats of their own."""
    for own, block in blocks:
        if own == seats:
            return block
    parts = {seat: part for own, block in blocks for seat, part in zip(own, block.chunk(len(own)), strict=True)}
    return torch.cat([parts[seat] for seat in seats]) if len(seats) > 1 else parts[seats[0]]


def _plan(model: ContrastiveModel, seats: Sequence[Seat]) -> list[tuple[list[nn.Module], list[list[Seat]]]]:
    """The encoders of every stack, and the seats that each of its calls takes."""
    own = {name: [(pair, side) for pair, side in seats if model.pairs[pair][side] == name] for name in model.encoders}
    several = [([name], [[seat] for seat in taken]) for name, taken in own.items() if len(taken) > 1]
    alike: dict[tuple[object, ...], list[str]] = {}
    for name, taken in own.items():
        if len(taken) == 1:
            encoder = model.encoders[name]
            alike.setdefault((repr(encoder), *(p.shape for p in encoder.parameters())), []).append(name)
    plan = several + [(names, [[own[name][0] for name in names]]) for names in alike.values()]
    return [([model.encoders[name] for name in names], calls) for names, calls in plan]
