"""Gradients of the bridge at the cost of its forward pass: products of matrices, a block at a time.

The derivative of L_ac = logsumexp_i(S_ai + T_ci) with respect to S_ai is exp(S_ai + T_ci - L_ac). With H the gradient
that arrives for L, the gradient for S is E * ((H exp(p + q - L)) @ F) in the notation of `ucl.core.log_sum_exp`.
Everything is in float64; entries whose L lies so far below p + q that the exponential could overflow are summed up one
by one. Scores are made again per block, with the critics' own autograd behind them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from ucl.core.bank import Bank
from ucl.core.critics import Critic
from ucl.core.exponential import exp_
from ucl.core.log_sum_exp import CHUNK, LogSums

__all__ = ["attach", "critic_pairs"]

Pairs = Callable[[list[Tensor]], Iterator[tuple[Tensor, Tensor]]]
FAR = 600.0  # exp(600) leaves room for every product in float64


def attach(sums: LogSums, inputs: list[Tensor], pairs: Pairs) -> LogSums:
    """The same sums, with a gradient to those `inputs` that ask for one.

    `pairs` makes the blocks of scores S [n, m], T [k, m] from (copies of) `inputs`, in float64.
    """
    if not (torch.is_grad_enabled() and any(x.requires_grad for x in inputs)):
        return sums
    for_pairs, for_rows, for_columns = _Attached.apply(sums, pairs, *inputs)
    return LogSums(for_pairs, for_rows, for_columns, sums.recomputed)


def critic_pairs(ab: Critic, bc: Critic, bank: Bank, a: Tensor, c: Tensor, size: int) -> tuple[list[Tensor], Pairs]:
    """What two critics and a bank depend on, and how its scores are made from that."""
    cuts = bank.cuts_for(size)
    sides = [bank.for_a] if bank.shared else [bank.for_a, bank.for_c]
    blocks = (
        [rows.read(low, high) for low, high in zip([0, *cuts], cuts, strict=False) for rows in sides]
        if any(_asks(rows) for rows in sides)
        else []
    )
    scales = [torch.as_tensor(critic.scale) for critic in (ab, bc)]

    def pairs(values: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        x, y, scale_ab, scale_bc, *held = (value.double() for value in values)
        read = bank.blocks(cuts, progress=False)
        pairs_of_blocks = zip(held[:: len(sides)], held[len(sides) - 1 :: len(sides)], strict=True) if held else read
        for for_a, for_c in pairs_of_blocks:
            s = type(ab)(scale_ab.reshape(()))(x, for_a.to(x))
            yield s, type(bc)(scale_bc.reshape(()))(y, for_c.to(y))

    return [a, c, *scales, *blocks], pairs


def _asks(rows: Any) -> bool:
    return bool(getattr(getattr(rows, "tensor", None), "requires_grad", False))


class _Attached(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sums: LogSums, pairs: Pairs, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ctx.sums, ctx.pairs = sums, pairs
        ctx.save_for_backward(*inputs)
        return sums.pairs.clone(), sums.rows.clone(), sums.columns.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Any, ...]:
        leaves = [
            x.detach().requires_grad_(need) for x, need in zip(ctx.saved_tensors, ctx.needs_input_grad[2:], strict=True)
        ]
        wanted = [i for i, leaf in enumerate(leaves) if leaf.requires_grad]
        gradients: list[Tensor | None] = [None] * len(leaves)
        with torch.enable_grad():
            for s, t in ctx.pairs(leaves):
                with torch.no_grad():
                    ds, dt = _block_gradients(s.detach(), t.detach(), ctx.sums, arriving)
                outputs = [(scores, gradient) for scores, gradient in ((s, ds), (t, dt)) if scores.requires_grad]
                parts = torch.autograd.grad(
                    [o[0] for o in outputs], [leaves[i] for i in wanted], [o[1] for o in outputs], allow_unused=True
                )
                for i, part in zip(wanted, parts, strict=True):
                    gradients[i] = _plus(gradients[i], part)
        return (None, None, *gradients)


def _plus(total: Tensor | None, part: Tensor | None) -> Tensor | None:
    return total if part is None else part if total is None else total + part


def _block_gradients(
    s: Float[Tensor, "n m"], t: Float[Tensor, "k m"], sums: LogSums, arriving: Sequence[Tensor]
) -> tuple[Float[Tensor, "n m"], Float[Tensor, "k m"]]:
    for_pairs, for_rows, for_columns = arriving
    p, q = s.amax(1), t.amax(1)
    excess = p[:, None] + q - sums.pairs
    far = excess > FAR
    weights = torch.where(far, 0, for_pairs * excess.clamp_max(FAR).exp())
    e, f = exp_(s - p[:, None]), exp_(t - q[:, None])
    ds, dt = e * (weights @ f), f * (weights.T @ e)
    i, j = (far & (for_pairs != 0)).nonzero(as_tuple=True)
    step = max(1, CHUNK // s.shape[1])
    for start in range(0, len(i), step):
        x, y = i[start : start + step], j[start : start + step]
        w = for_pairs[x, y][:, None] * exp_(s[x] + t[y] - sums.pairs[x, y][:, None])
        ds.index_add_(0, x, w)
        dt.index_add_(0, y, w)
    ds += for_rows[:, None] * exp_(s - sums.rows[:, None])
    dt += for_columns[:, None] * exp_(t - sums.columns[:, None])
    return ds, dt
