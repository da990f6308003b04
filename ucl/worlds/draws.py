"""Random streams by seed and purpose, and what the two protocols evaluate on."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.runtime import generator

__all__ = ["Queries", "queries_of", "streams"]

PURPOSES = (
    "world", "ab", "bc", "ac", "validation", "bank", "a", "b", "c", "shuffle",
    "samples_a", "samples_c", "held_out_ab", "held_out_bc", "large_bank",
)  # fmt: skip


def streams(seeds: int, purpose: str) -> list[torch.Generator]:
    """One generator per seed for one of `PURPOSES`: what a seed draws does not depend on the others."""
    return [generator(seed, PURPOSES.index(purpose)) for seed in range(seeds)]


@dataclass(frozen=True)
class Queries:
    """What a protocol evaluates on: queries A, candidates C (row i belongs to row i), and the bank."""

    a: Float[Tensor, "s n da"]
    c: Float[Tensor, "s n dc"]
    bank: Float[Tensor, "s m db"]


def queries_of(draw: Callable[[str, str], Tensor], protocol: str, count: int) -> Queries:
    """The queries of a protocol, where `draw(name, modality)` gives the samples [s, n, d] of one draw.

    `held_out`: points never trained on and a bank apart from them. `published`: the first `count` of the training draw
    of (A, B) with its own B's as the bank, each query's own B among them (design: section 4).
    """
    if protocol == "held_out":
        return Queries(draw("validation", "a"), draw("validation", "c"), draw("bank", "b"))
    return Queries(draw("ab", "a")[:, :count], draw("ab", "c")[:, :count], draw("ab", "b"))
