"""Things of many kinds, as two models that share nothing embed them: an index's world, made at any size."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

__all__ = ["KindsWorld"]


@dataclass(frozen=True)
class KindsWorld:
    """Unit vectors around a direction per kind, `centres` [2, K, d]: one set for the A-B model, one for the B-C model.

    `noise` is the standard deviation on each coordinate. B of a kind lies around the same directions as A and C.
    """

    centres: Float[Tensor, "2 k d"]
    noise: float

    @classmethod
    def at_random(cls, kinds: int, width: int, noise: float, generator: torch.Generator) -> "KindsWorld":
        """Directions that have nothing to do with each other."""
        return cls(normalize(torch.randn(2, kinds, width, generator=generator), dim=2), noise)

    def sample(self, side: int, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        """n things of random kinds in one model's space: A (`side` 0) or C (1)."""
        return self._embed(side, self._kinds(n, generator), generator)

    def bank(self, n: int, generator: torch.Generator) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
        """n samples of B in both spaces."""
        kinds = self._kinds(n, generator)
        return self._embed(0, kinds, generator), self._embed(1, kinds, generator)

    def _kinds(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randint(self.centres.shape[1], (n,), generator=generator)

    def _embed(self, side: int, kinds: Tensor, generator: torch.Generator) -> Float[Tensor, "n d"]:
        rows = torch.randn(len(kinds), self.centres.shape[2], generator=generator).mul_(self.noise)
        return normalize(rows.add_(self.centres[side, kinds]), dim=1)
