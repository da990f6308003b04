"""Simulated pairs of S seeds: those to train on, and those kept apart to judge by."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ucl.core.critics import Critic
from ucl.distilled.limits import FEWEST, kept_of
from ucl.errors import InputError
from ucl.learning.implied_joint import ImpliedJoint

__all__ = ["Known", "Pairs", "held_apart", "simulate"]


@dataclass(frozen=True)
class Known:
    """What may be used for one seed: two critics, the bank as both models see it, and unpaired samples."""

    ab: Critic
    bc: Critic
    for_a: Float[Tensor, "m d1"]
    for_c: Float[Tensor, "m d2"]
    a: Float[Tensor, "n d1"]
    c: Float[Tensor, "k d2"]
    log_weights: Float[Tensor, " m"] | None = None

    def part(self, bank: Tensor, a: Tensor, c: Tensor) -> "Known":
        """The same with these rows alone."""
        weights = None if self.log_weights is None else self.log_weights[bank]
        return Known(self.ab, self.bc, self.for_a[bank], self.for_c[bank], self.a[a], self.c[c], weights)


@dataclass(frozen=True)
class Pairs:
    """Samples [s, n, d] and row numbers [s, pairs] into them: pair p of seed s is (a[s, index_a[s, p]], ...)."""

    a: Float[Tensor, "s n d1"]
    c: Float[Tensor, "s k d2"]
    index_a: Int64[Tensor, "s p"]
    index_c: Int64[Tensor, "s p"]


def held_apart(known: Known, generator: torch.Generator) -> tuple[Known, Known]:
    """What to learn from, and what to judge by: they share no sample of the bank, of A or of C."""
    orders = []
    for name, rows in (("bank", known.for_a), ("a_samples", known.a), ("c_samples", known.c)):
        n = len(rows)
        if n < FEWEST:
            raise InputError(f"{name} must hold at least {FEWEST} samples to distil from: got {n}; give more")
        order = torch.randperm(n, generator=generator).to(rows.device)
        orders.append(order.split([n - kept_of(n), kept_of(n)]))
    train, judge = zip(*orders, strict=True)
    return known.part(*train), known.part(*judge)


def simulate(known: Sequence[Known], count: int, generators: Sequence[torch.Generator]) -> Pairs:
    """`count` pairs per seed from what two models imply; every seed has samples of the same number."""
    drawn = []
    for own, random in zip(known, generators, strict=True):
        joint = ImpliedJoint.of(own.ab, own.bc, own.a, own.c, own.for_a, own.for_c, own.log_weights)
        index_a, _, index_c = joint.draw(count, random)
        drawn.append((index_a, index_c))
    index_a, index_c = (torch.stack(side) for side in zip(*drawn, strict=True))
    return Pairs(torch.stack([own.a for own in known]), torch.stack([own.c for own in known]), index_a, index_c)
