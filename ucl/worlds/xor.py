"""A world that no bridge can see, in which every ratio is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.worlds.gaussian import Triples

__all__ = ["XorWorld"]


@dataclass(frozen=True)
class XorWorld:
    """A and B are independent random signs, C is their product, all seen with normal noise.

    Every two of the three are independent, so no pair holds anything about the third: whoever was trained on pairs can
    only guess, and so can the exact pair scorer. Who sees (a, b) can tell c.
    """

    bits: int
    noise: float

    @property
    def dims(self) -> tuple[int, int, int]:
        """Widths of A, B and C."""
        return (self.bits,) * 3

    def sample(self, n: int, generators: Sequence[torch.Generator]) -> Triples:
        """Draw n triples in each world, each from its own generator."""
        signs = torch.stack([torch.randint(2, (2, n, self.bits), generator=g) for g in generators], dim=1) * 2.0 - 1
        noise = torch.stack([torch.randn(3, n, self.bits, generator=g) for g in generators], dim=1) * self.noise
        return Triples(signs[0] + noise[0], signs[1] + noise[1], signs[0] * signs[1] + noise[2])

    def log_ratio(self, a: Float[Tensor, "s n da"], c: Float[Tensor, "s k dc"]) -> Float[Tensor, "s n k"]:
        """Exact `log p(a, c) / (p(a) p(c))`: zero, whatever a and c are."""
        return torch.zeros(*a.shape[:-1], c.shape[-2], dtype=torch.float64)

    def log_ratio_given_b(
        self, a: Float[Tensor, "s n da"], b: Float[Tensor, "s n db"], c: Float[Tensor, "s k dc"]
    ) -> Float[Tensor, "s n k"]:
        """Exact `log p(c | a, b) / p(c)` in float64: per bit `log(1 + E[sign | a] E[sign | b] E[sign | c])`."""
        means = [torch.tanh(x.double() / self.noise**2) for x in (a, b, c)]
        product = (means[0] * means[1])[..., :, None, :] * means[2][..., None, :, :]
        return torch.log1p(product.clamp_min(-1 + 1e-15)).sum(-1)
