"""Symile: one contrastive model of three modalities, for when triples exist (Saporta and others, 2024).

Its critic is the multilinear product `scale * sum_d a_d b_d c_d`, trained so that exp of it is proportional to
`p(a, b, c) / (p(a) p(b) p(c))`. It scores c for a query (a, b), or for a alone by averaging over a bank of B.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from ucl.core.exponential import log_sum_exp
from ucl.learning.training import Optimisation
from ucl.worlds.gaussian import Triples

__all__ = ["SymileModel", "train_symile"]


class SymileModel(nn.Module):
    """S stacked models: encoders of A, B and C, and one learned scale each."""

    def __init__(self, encoders: Mapping[str, nn.Module], log_scale: float, models: int) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.log_scale = nn.Parameter(torch.full((models,), float(log_scale)))

    def encode(self, triples: Triples) -> tuple[Tensor, Tensor, Tensor]:
        """Representations [S, n, d] of the three."""
        a, b, c = (self.encoders[m](getattr(triples, m)) for m in ("a", "b", "c"))
        return a, b, c

    def loss(self, triples: Triples) -> Float[Tensor, " s"]:
        """Mean over the three modalities of the cross-entropy of finding it from the other two, within the batch."""
        a, b, c = self.encode(triples)
        scale, models, n = self.log_scale.exp()[:, None, None], a.shape[0], a.shape[1]
        labels = torch.arange(n, device=a.device).repeat(models)
        grids = [scale * (x * y) @ z.mT for x, y, z in ((a, b, c), (a, c, b), (b, c, a))]
        losses = [
            cross_entropy(grid.flatten(0, 1), labels, reduction="none").unflatten(0, (models, n)) for grid in grids
        ]
        return torch.stack(losses).mean((0, 2))

    def score(
        self, a: Float[Tensor, "s n d"], b: Float[Tensor, "s n d"], c: Float[Tensor, "s k d"]
    ) -> Float[Tensor, "s n k"]:
        """Scores of every c for the queries (a_i, b_i)."""
        return self.log_scale.exp()[:, None, None] * (a * b) @ c.mT

    def score_marginal(
        self, a: Float[Tensor, "s n d"], bank: Float[Tensor, "s m d"], c: Float[Tensor, "s n d"], candidates: int
    ) -> Float[Tensor, "s g k k"]:
        """`log sum_i exp f(a, b_i, c)`, the pair's ratio with B summed out over a bank, in groups of candidates."""
        groups = a.shape[1] // candidates
        grids = []
        for model, scale in enumerate(self.log_scale.exp()):
            x, y = (z[model, : groups * candidates].unflatten(0, (groups, candidates)) for z in (a, c))
            pairs = (x[:, :, None] * y[:, None]).flatten(1, 2)
            grids.append(torch.stack([log_sum_exp(scale * group @ bank[model].mT) for group in pairs]))
        return torch.stack(grids).unflatten(-1, (candidates, candidates))


def train_symile(
    model: SymileModel,
    data: Triples,
    optimisation: Optimisation,
    generators: Sequence[torch.Generator],
    progress: str | None = None,
) -> None:
    """Train on triples [S, N, .], every model shuffled by its own generator; ends in evaluation mode."""
    adam = torch.optim.Adam(model.parameters(), lr=optimisation.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.MultiStepLR(adam, [optimisation.decay_epoch], gamma=0.1)
    pick = torch.arange(len(generators))[:, None]
    for _ in tqdm(range(optimisation.epochs), desc=progress, disable=progress is None, unit="epoch"):
        model.train()
        order = torch.stack([torch.randperm(data.a.shape[1], generator=g) for g in generators])
        for rows in order.split(optimisation.batch_size, dim=1):
            adam.zero_grad(set_to_none=True)
            model.loss(Triples(data.a[pick, rows], data.b[pick, rows], data.c[pick, rows])).sum().backward()
            adam.step()
        schedule.step()
    model.eval()
