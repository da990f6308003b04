"""Draws from the joint of (A, B, C) that two models imply under Assumption 1: no pair of (A, C) is asked for.

If A and C are independent given B, p(a, b, c) = p(b) p(a | b) p(c | b), and by Assumption 2 exp f_AB(a, b) is
p(a | b) / p(a) up to a factor of b (design: section 3, "the implied joint"). With a bank b_i ~ p(b) and unpaired
samples a_j ~ p(a), c_l ~ p(c), a draw is an i in proportion to the bank's weights, then j with softmax_j f_AB(a_j, b_i)
and l with softmax_l f_BC(b_i, c_l). What InfoNCE leaves free per anchor b cancels in the softmax; what it leaves free
per sample a does not.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ucl.core.bridge import Bridge
from ucl.core.critics import Critic
from ucl.core.exponential import exp_
from ucl.errors import InputError

__all__ = ["ImpliedJoint"]

Scores = Callable[[Int64[Tensor, " r"]], Float[Tensor, "r n"]]  # of some bank samples against all samples of one side
BLOCK = 2**19  # numbers held at once per side: more leave the cache


class ImpliedJoint:
    """The joint over n samples of A, M of the bank and k of C; `draw` gives their row numbers.

    `ab_scores` [n, M] and `cb_scores` [k, M] are critic scores, scale included, against the same bank. `log_weights`
    [M], the logarithms of positive weights, say how much each bank sample counts (None: all alike); what they add up to
    does not matter. Memory beside the scores: a few blocks of 2^19 numbers. `of` takes embeddings, and `of_bridge` what
    a bridge holds; scores are then made a block of the bank at a time, and never held.

    Draws come from a generator of the CPU, so they are the same on every device up to the rounding of scores.

    Raises InputError where the two sides or the weights do not describe the same bank.
    """

    def __init__(
        self,
        ab_scores: Float[Tensor, "n m"],
        cb_scores: Float[Tensor, "k _m"],
        log_weights: Float[Tensor, " _w"] | None = None,
    ) -> None:
        self._check(ab_scores.shape[1], cb_scores.shape[1], "scores", log_weights)
        self._set(
            lambda rows: ab_scores[:, rows].T.contiguous(),
            lambda rows: cb_scores[:, rows].T.contiguous(),
            (len(ab_scores), ab_scores.shape[1], len(cb_scores)),
            log_weights,
            ab_scores.device,
        )

    @classmethod
    def of(
        cls,
        ab: Critic,
        bc: Critic,
        a: Float[Tensor, "n d1"],
        c: Float[Tensor, "k d2"],
        for_a: Float[Tensor, "m d1"],
        for_c: Float[Tensor, "_m d2"],
        log_weights: Float[Tensor, " _w"] | None = None,
    ) -> "ImpliedJoint":
        """From embeddings: samples of A [n, d1] and C [k, d2], the bank for A's model [M, d1] and for C's [M, d2]."""
        cls._check(len(for_a), len(for_c), "bank samples", log_weights)
        (a, for_a), (c, for_c) = (
            (critic.within_range(x), critic.within_range(b)) for critic, x, b in ((ab, a, for_a), (bc, c, for_c))
        )
        joint = cls.__new__(cls)
        joint._set(
            lambda rows: ab(for_a[rows], a),
            lambda rows: bc(for_c[rows], c),
            (len(a), len(for_a), len(c)),
            log_weights,
            for_a.device,
        )
        return joint

    @classmethod
    def of_bridge(cls, bridge: Bridge, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> "ImpliedJoint":
        """From a bridge's critics and its bank with its weights; the bank is read into memory, in the type of `a`."""
        for_a, for_c = bridge.bank.like(a)
        return cls.of(bridge.ab, bridge.bc, a, c, for_a, for_c, bridge.bank.log_weights())

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many samples there are of A, of the bank and of C."""
        return self._sizes

    @torch.no_grad()
    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """`count` independent draws: row numbers [count] of A, of the bank and of C, int64."""
        b_index = self.draw_b(count, generator)
        return self.draw_a(b_index, generator), b_index, self.draw_c(b_index, generator)

    @torch.no_grad()
    def draw_b(self, count: int, generator: torch.Generator) -> Int64[Tensor, " count"]:
        """Bank samples in proportion to their weights."""
        chance = self._uniform(count, generator)
        if self._steps is None:
            return (chance * self._sizes[1]).long().clamp_max(self._sizes[1] - 1)
        return torch.searchsorted(self._steps, chance, right=True).clamp_max(self._sizes[1] - 1)

    @torch.no_grad()
    def draw_a(self, b_index: Int64[Tensor, " count"], generator: torch.Generator) -> Int64[Tensor, " count"]:
        """A sample of A for every given bank sample: j with softmax_j f_AB(a_j, b)."""
        return self._given_b(self._ab, self._sizes[0], b_index, self._uniform(len(b_index), generator))

    @torch.no_grad()
    def draw_c(self, b_index: Int64[Tensor, " count"], generator: torch.Generator) -> Int64[Tensor, " count"]:
        """A sample of C for every given bank sample: l with softmax_l f_BC(b, c_l)."""
        return self._given_b(self._bc, self._sizes[2], b_index, self._uniform(len(b_index), generator))

    def _set(
        self, ab: Scores, bc: Scores, sizes: tuple[int, int, int], log_weights: Tensor | None, device: Any
    ) -> None:
        self._ab, self._bc, self._sizes, self._device = ab, bc, sizes, device
        self._steps: Tensor | None = None
        if log_weights is not None:
            steps = torch.softmax(log_weights.double(), 0).cumsum(0)
            self._steps = (steps / steps[-1]).to(device)

    @staticmethod
    def _check(for_a: int, for_c: int, what: str, log_weights: Tensor | None) -> None:
        if for_a != for_c:
            raise InputError(
                f"both sides must describe the same bank: got {for_a} and {for_c} {what}; embed the same samples with "
                "both models"
            )
        if log_weights is not None and log_weights.shape != (for_a,):
            raise InputError(
                f"log_weights must hold one number per bank sample, {for_a}: got shape {list(log_weights.shape)}"
            )

    def _uniform(self, count: int, generator: torch.Generator) -> Float[Tensor, " count"]:
        return torch.rand(count, generator=generator, dtype=torch.float64).to(self._device)

    def _given_b(self, scores: Scores, n: int, b_index: Tensor, chance: Tensor) -> Int64[Tensor, " count"]:
        """Inverse transform sampling, all draws from one bank sample by one running sum over its softmax."""
        rows, which = torch.unique(b_index, return_inverse=True)
        which, order = which.sort()
        found, step = torch.empty_like(b_index), max(1, BLOCK // n)
        for start in range(0, len(rows), step):
            block = rows[start : start + step]
            first, last = torch.searchsorted(which, torch.tensor([start, start + step], device=which.device)).tolist()
            own, place = order[first:last], which[first:last] - start
            found[own] = _inverse(scores(block).detach(), place, chance[own])
        return found


def _inverse(scores: Float[Tensor, "r n"], row: Tensor, chance: Tensor) -> Int64[Tensor, " count"]:
    """For draws from the softmax of some rows, the column where the row's running sum passes `chance`.

    The running sums stand one behind the other in one ascending sequence: row i runs from i to i + 1.
    """
    n = scores.shape[1]
    sums = exp_(scores - scores.amax(1, keepdim=True)).cumsum(1, dtype=torch.float64)
    sums = sums.div_(sums[:, -1:].clone()).add_(torch.arange(len(scores), device=scores.device)[:, None])
    place = torch.searchsorted(sums.flatten(), chance + row, right=True)
    return (place - row * n).clamp_(0, n - 1)
