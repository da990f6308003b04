"""The bank's mean seen from C, weighted by how likely each sample is given a: a query in C's own space."""

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.critics import Critic, check_rows, represent
from ucl.core.exponential import exp_
from ucl.core.fingerprint import Seal
from ucl.core.scores import SideScores, block_size

__all__ = ["barycentres"]

LIGHT = 2.0**-80  # of the heaviest: of a billion samples as light as that, float64 would not notice the sum


def barycentres(ab: Critic, bc: Critic, bank: Bank, a: Float[Tensor, "n d1"]) -> Float[Tensor, "n d2"]:
    """sum_i softmax_i(f_AB(a, b_i) + log w_i) b_i in float64, the bank a block at a time with running maxima."""
    scores, log_weights, seal = SideScores(ab, a, "a", torch.float64), bank.log_weights(), Seal()
    bank = bank.represented(ab, bc)  # once for all queries of a bank in memory
    total = a.new_zeros(len(a), bank.for_c.shape[1], dtype=torch.float64)
    mass = a.new_zeros(len(a), dtype=torch.float64)
    top = mass - torch.inf
    start = 0
    for for_a, for_c in bank.blocks(bank.cuts_for(block_size(len(a))), False, seal):
        s = scores(for_a, bank.unit[0])
        if log_weights is not None:
            s = s + log_weights[start : start + len(for_a)].to(s)
        raised = torch.maximum(top, s.amax(1))
        shrink, top = (top - raised).exp(), raised
        weights = exp_(s - top[:, None])
        heavy = (weights > LIGHT).any(0)
        check_rows(bc, for_c, "bank.for_c", bank.unit[1], start)  # light ones too
        seen = represent(bc, for_c[heavy].to(weights), "bank.for_c", bank.unit[1])
        total = total * shrink[:, None] + weights[:, heavy] @ seen
        mass = mass * shrink + weights.sum(1)
        start += len(for_a)
    return total / mass[:, None]
