"""Pairwise contrastive training, all seeds as one stacked model: a file to read from top to bottom."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from tqdm import tqdm

from ucl.critics import CRITICS, Critic
from ucl.encoders import share, stack
from ucl.losses import info_nce_with_slope
from ucl.vjp import Pull, vjp

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
        orders = [_shuffle(x, generators) for x, _ in data.values()]
        n = min(order.shape[1] for order in orders)
        step.lay_out([order[:, :n] for order in orders])
        starts = range(0, n, optimisation.batch_size)
        losses = torch.stack([step(slice(start, start + optimisation.batch_size)) for start in starts]).mean(0)
        schedule.step()
        with torch.no_grad():
            on_epoch(epoch, model, dict(zip(data, losses, strict=True)))


def _shuffle(x: Float[Tensor, "s n d"], generators: Sequence[torch.Generator]) -> Int[Tensor, "s n"]:
    """Every model's order of its rows, as rows of all models' data one below the other."""
    n = x.shape[1]
    orders = [torch.randperm(n, generator=g) + model * n for model, g in enumerate(generators)]
    return torch.stack(orders).to(x.device)


class _Step:
    """A step of training. Its operations are small, so what costs is their number.

    Encoders of the same layers and shapes that see one batch each are trained as one stack, and all pairs are scored
    at once. Gradients are pulled back without autograd. The optimiser sees one vector, of which all parameters are
    views, the model's own included.
    """

    def __init__(self, model: ContrastiveModel, data: Pairs, optimisation: Optimisation) -> None:
        self.model, self.pairs, self.penalty = model, list(data), optimisation.norm_penalty
        inputs = {(pair, side): x for pair, both in data.items() for side, x in enumerate(both)}
        stacks: list[tuple[nn.Module, list[nn.Module]]] = []
        self.calls: list[_Call] = []
        for names, calls in _plan(model, list(inputs)):
            encoders = [model.encoders[name] for name in names]
            whole = stack(encoders).train()
            stacks.append((whole, encoders))
            self.calls += [_Call(whole, seats, [inputs[seat] for seat in seats]) for seats in calls]
        parameters = [model.log_scale, *(p for whole, _ in stacks for p in whole.parameters())]
        self.vector = nn.Parameter(parameters_to_vector(parameters))
        vector_to_parameters(self.vector, parameters)
        for whole, encoders in stacks:
            share(whole, encoders)
        self.optimiser = torch.optim.Adam([self.vector], lr=optimisation.learning_rate, fused=True)

    def lay_out(self, orders: Sequence[Int[Tensor, "s n"]]) -> None:
        """Put the data into the order of an epoch, given one per pair."""
        for call in self.calls:
            call.lay_out(dict(zip(self.pairs, orders, strict=True)))

    @torch.no_grad()
    def __call__(self, rows: slice) -> Float[Tensor, "pairs s"]:
        """Take a step on these rows of the epoch; returns the InfoNCE of every pair."""
        losses, gradients = self._gradients(rows)
        self.vector.grad = torch.cat([gradient.flatten() for gradient in gradients])
        self.optimiser.step()
        return losses

    def _gradients(self, rows: slice) -> tuple[Float[Tensor, "pairs s"], list[Tensor]]:
        """The losses, and the gradient of their sum: the models share no parameter, so it trains each alone."""
        encoded: dict[Seat, Tensor] = {}
        pulls: list[Pull] = []
        for call in self.calls:
            representations, pull = vjp(call.encoder, call.epoch[:, rows])
            encoded |= zip(call.seats, representations.chunk(len(call.seats)), strict=True)
            pulls.append(pull)
        x, y = (_joined([encoded[pair, side] for pair in self.pairs]) for side in (0, 1))
        losses, for_log_scale, for_x, for_y = self._compare(x, y)
        parts = zip(self.pairs, for_x.chunk(len(self.pairs)), for_y.chunk(len(self.pairs)), strict=True)
        arriving = {(pair, side): part for pair, *sides in parts for side, part in enumerate(sides)}
        found: dict[nn.Module, list[Tensor]] = {}
        for call, pull in zip(self.calls, pulls, strict=True):
            own, _ = pull(_joined([arriving[seat] for seat in call.seats]))
            before = found.get(call.encoder)
            found[call.encoder] = [a + b for a, b in zip(before, own, strict=True)] if before else own
        return losses, [for_log_scale, *chain.from_iterable(found.values())]

    def _compare(
        self, x: Float[Tensor, "b n d"], y: Float[Tensor, "b n d"]
    ) -> tuple[Float[Tensor, "pairs s"], Float[Tensor, " s"], Float[Tensor, "b n d"], Float[Tensor, "b n d"]]:
        """The losses, and the gradients for the logarithms of the scales, for x and for y."""
        count = len(self.pairs)
        scale = self.model.log_scale.exp().repeat(count)[:, None, None]
        scores, pull = CRITICS[self.model.critic_name].vjp(x, y, scale)
        losses, slope = info_nce_with_slope(scores)
        for_log_scale = torch.linalg.vecdot(slope.flatten(1), scores.flatten(1))  # scores are proportional to the scale
        for_x, for_y = pull(slope)
        if self.penalty:
            weight = 2 * self.penalty / x.shape[1]
            for_x, for_y = for_x.add(x, alpha=weight), for_y.add(y, alpha=weight)
        return losses.view(count, -1), for_log_scale.view(count, -1).sum(0), for_x, for_y


class _Call:
    """An encoder on the batches of some seats, and the rows of their data in the order of an epoch."""

    def __init__(self, encoder: nn.Module, seats: list[Seat], inputs: list[Float[Tensor, "s n d"]]) -> None:
        self.encoder, self.seats = encoder, seats
        rows = [x.flatten(0, 1) for x in inputs]
        self.starts = [0, *accumulate(len(x) for x in rows)][:-1]
        self.data = torch.cat(rows)

    def lay_out(self, order: Mapping[str, Int[Tensor, "s n"]]) -> None:
        rows = torch.cat([order[pair] + start for (pair, _), start in zip(self.seats, self.starts, strict=True)])
        self.epoch = self.data.index_select(0, rows.flatten()).view(*rows.shape, -1)


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _plan(model: ContrastiveModel, seats: Sequence[Seat]) -> list[tuple[list[str], list[list[Seat]]]]:
    """The encoders of every stack, and the seats that each of its calls takes."""
    own = {name: [(pair, side) for pair, side in seats if model.pairs[pair][side] == name] for name in model.encoders}
    several = [([name], [[seat] for seat in taken]) for name, taken in own.items() if len(taken) > 1]
    alike: dict[tuple[object, ...], list[str]] = {}
    for name, taken in own.items():
        if len(taken) == 1:
            encoder = model.encoders[name]
            alike.setdefault((repr(encoder), *(p.shape for p in encoder.parameters())), []).append(name)
    return several + [(names, [[own[name][0] for name in names]]) for names in alike.values()]
