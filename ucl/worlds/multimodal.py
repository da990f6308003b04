"""A world in which a posterior has several modes and every ratio is known.

Like `GaussianWorld`, it draws triples for S seeds at once and scores pairs exactly; `log_ratio_given_b` is the exact
answer for a query that comes with its own B.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.worlds.gaussian import Triples

__all__ = ["MultimodalWorld"]


@dataclass(frozen=True)
class MultimodalWorld:
    """B is a mixture of narrow clusters on circles; A and C see the angle modulo half and a third of a turn.

    Each of `circles` angles t is uniform over `positions` places. B shows (cos t, sin t), A shows (cos 2t, sin 2t) and
    C shows (cos 3t, sin 3t), all with normal noise: a leaves two modes of B, c leaves three. Given the place, the
    three are independent; given B they are as far as its noise leaves no doubt about the place (Assumption 1).
    """

    circles: int
    positions: int
    noise: float  # of A and C, per coordinate
    noise_b: float

    @property
    def dims(self) -> tuple[int, int, int]:
        """Widths of A, B and C."""
        return (2 * self.circles,) * 3

    def sample(self, n: int, generators: Sequence[torch.Generator]) -> Triples:
        """Draw n triples in each world, each from its own generator."""
        place = torch.stack([torch.randint(self.positions, (n, self.circles), generator=g) for g in generators])
        noise = torch.stack([torch.randn(3, n, 2 * self.circles, generator=g) for g in generators], dim=1)
        views = [self._places(turns)[place].flatten(-2) for turns in (2, 1, 3)]
        scales = (self.noise, self.noise_b, self.noise)
        a, b, c = (view + scale * noise[i] for i, (view, scale) in enumerate(zip(views, scales, strict=True)))
        return Triples(a, b, c)

    def log_ratio(self, a: Float[Tensor, "s n da"], c: Float[Tensor, "s k dc"]) -> Float[Tensor, "s n k"]:
        """Exact `log p(a, c) / (p(a) p(c))` in float64: a sum over circles of a log-mean over places."""
        posterior_a = self._log_posterior(a, 2, self.noise)
        return self._match(posterior_a, c)

    def log_ratio_given_b(
        self, a: Float[Tensor, "s n da"], b: Float[Tensor, "s n db"], c: Float[Tensor, "s k dc"]
    ) -> Float[Tensor, "s n k"]:
        """Exact `log p(c | a, b) / p(c)`."""
        logs = self._log_posterior(a, 2, self.noise) + self._log_posterior(b, 1, self.noise_b)
        return self._match(logs - logs.logsumexp(-1, keepdim=True), c)

    def _places(self, turns: int) -> Float[Tensor, "p 2"]:
        angle = torch.arange(self.positions) * (2 * math.pi * turns / self.positions)
        return torch.stack([angle.cos(), angle.sin()], dim=-1)

    def _log_posterior(self, x: Float[Tensor, "s n d"], turns: int, noise: float) -> Float[Tensor, "s n m p"]:
        """log p(place | x) per circle."""
        seen = x.double().unflatten(-1, (self.circles, 1, 2))
        squares = (seen - self._places(turns).double()).square().sum(-1)
        return torch.log_softmax(-squares / (2 * noise**2), dim=-1)

    def _match(self, posterior: Float[Tensor, "s n m p"], c: Float[Tensor, "s k dc"]) -> Float[Tensor, "s n k"]:
        """sum over circles of log sum_p p(p | query) p(p | c) / p(p)."""
        left, right = posterior.exp().transpose(-3, -2), self._log_posterior(c, 3, self.noise).exp().transpose(-3, -2)
        return (self.positions * left @ right.mT).clamp_min(1e-300).log().sum(-3)
