"""Coordinates relative to the bank: a and c become comparable as vectors of their cosines with the same samples."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ucl.peers.base import Peer

__all__ = ["ASIF", "RelativeRepresentations"]


class RelativeRepresentations(Peer):
    """Cosine of the two vectors of cosines with every bank sample (Moschella and others, 2023)."""

    name = "relative"

    def coordinates(self, x: Float[Tensor, "n d"], bank: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
        """How x looks from the bank."""
        return torch.nn.functional.normalize(x.double(), dim=1) @ torch.nn.functional.normalize(bank.double(), dim=1).T

    def score(self, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> Float[Tensor, "n k"]:
        x, y = self.coordinates(a, self.bank.for_a), self.coordinates(c, self.bank.for_c)
        # In float64: where all embeddings point one way, cosines differ beyond the seventh digit.
        return torch.nn.functional.normalize(x, dim=1) @ torch.nn.functional.normalize(y, dim=1).T


class ASIF(RelativeRepresentations):
    """The same with only the k largest coordinates kept, raised to a power (Norelli and others, 2023: 800 and 8).

    A query that points away from the whole bank keeps nothing, and all its scores tie.
    """

    name = "asif"

    def __init__(self, k: int = 800, power: float = 8.0) -> None:
        self.k, self.power = k, power

    def coordinates(self, x: Float[Tensor, "n d"], bank: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
        cosines = super().coordinates(x, bank).clamp_min(0)
        k = min(self.k, len(bank))
        threshold = torch.from_numpy(np.partition(cosines.numpy(), -k, axis=1)[:, -k:][:, :1])  # the k-th largest
        return torch.where(cosines >= threshold, cosines, 0.0).pow(self.power)
