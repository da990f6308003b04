"""Pairwise contrastive training, all seeds as one stacked model: a file to read from top to bottom."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from tqdm import tqdm

from ucl.critics import CRITICS, Critic
from ucl.losses import info_nce

__all__ = ["ContrastiveModel", "Optimisation", "train"]

Pairs = Mapping[str, tuple[Tensor, Tensor]]  # pair -> (x [S, N, dx], y [S, N, dy]), row i of x belongs to row i of y


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

    def loss(
        self, pair: str, x: Float[Tensor, "s n dx"], y: Float[Tensor, "s n dy"], norm_penalty: float
    ) -> tuple[Float[Tensor, " s"], Float[Tensor, " s"]]:
        """InfoNCE of a batch, and the same with the penalty on the norms added."""
        left, right = self.pairs[pair]
        x, y = self.encode(left, x), self.encode(right, y)
        scale = self.log_scale.exp()[:, None, None]
        nce = info_nce(scale * CRITICS[self.critic_name].similarity(x, y))
        if norm_penalty == 0:
            return nce, nce
        squares = (x.square().sum(-1) + y.square().sum(-1)).mean(-1)
        return nce, nce + norm_penalty * squares


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
    `progress` labels a progress bar (None: no bar).
    """
    optimiser = torch.optim.Adam(model.parameters(), lr=optimisation.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [optimisation.decay_epoch], gamma=0.1)
    for epoch in tqdm(range(optimisation.epochs), desc=progress, disable=progress is None, unit="epoch"):
        model.train()
        losses = _train_epoch(model, data, optimisation, generators, optimiser)
        schedule.step()
        model.eval()
        with torch.no_grad():
            on_epoch(epoch, model, losses)


def _train_epoch(
    model: ContrastiveModel,
    data: Pairs,
    optimisation: Optimisation,
    generators: Sequence[torch.Generator],
    optimiser: torch.optim.Optimizer,
) -> dict[str, Tensor]:
    shuffled = {pair: _shuffle(x, y, generators) for pair, (x, y) in data.items()}
    rows = min(x.shape[1] for x, _ in shuffled.values())
    starts = range(0, rows, optimisation.batch_size)
    means = {pair: torch.zeros(len(generators), device=x.device) for pair, (x, _) in shuffled.items()}
    for start in starts:
        batch = slice(start, start + optimisation.batch_size)
        optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=next(model.parameters()).device)
        for pair, (x, y) in shuffled.items():
            nce, penalised = model.loss(pair, x[:, batch], y[:, batch], optimisation.norm_penalty)
            means[pair] += nce.detach() / len(starts)
            total = total + penalised.sum()  # the models share no parameter: their sum trains each alone
        total.backward()
        optimiser.step()
    return means


def _shuffle(
    x: Float[Tensor, "s n dx"], y: Float[Tensor, "s n dy"], generators: Sequence[torch.Generator]
) -> tuple[Tensor, Tensor]:
    n = x.shape[1]
    orders = torch.cat([torch.randperm(n, generator=g) + model * n for model, g in enumerate(generators)]).to(x.device)
    left, right = (side.flatten(0, 1).index_select(0, orders).view_as(side) for side in (x, y))
    return left, right
