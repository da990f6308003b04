"""Pairwise contrastive training, all seeds as one stacked model: a file to read from top to bottom."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from tqdm import tqdm

from ucl.critics import CRITICS, Critic
from ucl.encoders import share, stack
from ucl.losses import info_nce

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
        batches = zip(*(order[:, :n].split(optimisation.batch_size, dim=1) for order in orders), strict=True)
        losses = torch.stack([step(rows) for rows in batches]).mean(0)
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
    at once. The optimiser sees one vector, of which all parameters are views, the model's own included.
    """

    def __init__(self, model: ContrastiveModel, data: Pairs, optimisation: Optimisation) -> None:
        self.model, self.pairs, self.penalty = model, list(data), optimisation.norm_penalty
        self.data = {(pair, side): x.flatten(0, 1) for pair, both in data.items() for side, x in enumerate(both)}
        stacks: list[tuple[nn.Module, list[nn.Module]]] = []
        self.calls: list[tuple[nn.Module, list[Seat]]] = []
        for names, calls in _plan(model, list(self.data)):
            encoders = [model.encoders[name] for name in names]
            whole = stack(encoders).train()
            stacks.append((whole, encoders))
            self.calls += [(whole, seats) for seats in calls]
        self.parameters = [model.log_scale, *(p for whole, _ in stacks for p in whole.parameters())]
        self.vector = nn.Parameter(parameters_to_vector(self.parameters))
        vector_to_parameters(self.vector, self.parameters)
        for whole, encoders in stacks:
            share(whole, encoders)
        self.optimiser = torch.optim.Adam([self.vector], lr=optimisation.learning_rate, fused=True)

    def __call__(self, rows: Sequence[Int[Tensor, "s n"]]) -> Float[Tensor, "pairs s"]:
        """Take a step on these rows of every pair; returns their InfoNCE."""
        models, n = rows[0].shape
        batch = {pair: chosen.flatten() for pair, chosen in zip(self.pairs, rows, strict=True)}
        encoded: dict[Seat, Tensor] = {}
        for encoder, seats in self.calls:
            x = torch.cat([self.data[seat].index_select(0, batch[seat[0]]) for seat in seats])
            encoded |= zip(seats, encoder(x.view(-1, n, x.shape[-1])).chunk(len(seats)), strict=True)
        x, y = (torch.cat([encoded[pair, side] for pair in batch]) for side in (0, 1))
        scale = self.model.log_scale.exp().repeat(len(batch))[:, None, None]
        losses = info_nce(CRITICS[self.model.critic_name].similarity(x, y, scale))
        total = losses.sum()  # the models share no parameter: their sum trains each alone
        if self.penalty:
            total = total + self.penalty * (x.square().sum() + y.square().sum()) / n
        gradients = torch.autograd.grad(total, self.parameters)
        self.vector.grad = torch.cat([gradient.flatten() for gradient in gradients])
        self.optimiser.step()
        return losses.detach().view(len(batch), models)


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
