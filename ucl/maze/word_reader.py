"""A gated recurrent network that reads texts, for many models at once (Cho et al. 2014; the form of `torch.nn.GRU`).

`torch.nn.GRU` reads for one model at a time, and its operations are too small for what each costs to call. Here all
models take a step together, and the gradient is written out.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ucl.learning.encoders import StackedLinear

__all__ = ["StackedGRU"]


class StackedGRU(nn.Module):
    """S gated recurrent networks; gates in the order reset, update, new."""

    def __init__(self, generators: Sequence[torch.Generator], inputs: int, outputs: int) -> None:
        super().__init__()
        self.inputs = StackedLinear(generators, inputs, 3 * outputs)
        self.state = StackedLinear(generators, outputs, 3 * outputs)

    def forward(
        self, table: Float[Tensor, "s words d_in"], ids: Int[Tensor, "s n length"], lengths: Int[Tensor, "s n"]
    ) -> Float[Tensor, "s n d_out"]:
        """The state after the last of the first `lengths` words of every text; `ids` are rows of `table`."""
        models, words, _ = table.shape
        lengths, order = lengths.sort(dim=1, descending=True, stable=True)  # those still being read come first
        first = words * torch.arange(models, device=ids.device)[:, None, None]  # row of every model's own table
        rows = first + ids.gather(1, order[..., None].expand_as(ids))
        said = self.inputs(table).flatten(0, 1)  # of every word once: texts repeat few words
        last: Tensor = _Read.apply(said, rows, lengths, self.state.weight, self.state.bias)  # type: ignore[no-untyped-call]
        return last.gather(1, order.argsort(1)[..., None].expand_as(last))


class _Read(torch.autograd.Function):
    """States after the last word, from what each word says to the gates, texts sorted by falling length.

    A model that has finished more texts than another keeps their states: its update gate is 1 there.
    """

    @staticmethod
    def forward(
        ctx: Any,
        said: Float[Tensor, "words gates"],
        rows: Int[Tensor, "s n length"],
        lengths: Int[Tensor, "s n"],
        weight: Float[Tensor, "s d gates"],
        bias: Float[Tensor, "s 1 gates"],
    ) -> Float[Tensor, "s n d"]:
        (models, n, _), width = rows.shape, weight.shape[1]
        last = said.new_zeros(models, n, width)
        ctx.steps = []
        for step in range(int(lengths.max())):
            read = lengths > step
            going = int(read.any(0).sum())
            now, before = rows[:, :going, step].flatten(), last[:, :going].clone()
            gates = said.index_select(0, now).view(models, going, -1)
            recalled = torch.baddbmm(bias, before, weight)
            reset, update, new = gates.split(width, dim=-1)
            gates[..., : 2 * width].add_(recalled[..., : 2 * width]).sigmoid_()
            update.masked_fill_(~read[:, :going, None], 1.0)
            new.addcmul_(reset, recalled[..., 2 * width :]).tanh_()
            torch.lerp(new, before, update, out=last[:, :going])
            ctx.steps.append((now, before, gates, recalled[..., 2 * width :]))
        ctx.save_for_backward(said, weight)
        return last

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Float[Tensor, "s n d"]) -> tuple[Tensor, None, None, Tensor, Tensor]:
        said, weight = ctx.saved_tensors
        by_said, by_weight = torch.zeros_like(said), torch.zeros_like(weight)
        by_bias, flow, width = weight.new_zeros(len(weight), 1, weight.shape[2]), gradient.clone(), weight.shape[1]
        for now, before, gates, recalled in reversed(ctx.steps):
            reset, update, new = gates.split(width, dim=-1)
            here = flow[:, : before.shape[1]]
            by_new = torch.ops.aten.tanh_backward(torch.addcmul(here, here, update, value=-1), new)
            by_update = torch.ops.aten.sigmoid_backward((before - new).mul_(here), update)
            by_reset = torch.ops.aten.sigmoid_backward(by_new * recalled, reset)
            by_said.index_add_(0, now, torch.cat([by_reset, by_update, by_new], dim=-1).flatten(0, 1))
            by_recalled = torch.cat([by_reset, by_update, by_new.mul_(reset)], dim=-1)
            by_weight.baddbmm_(before.mT, by_recalled)
            by_bias += by_recalled.sum(1, keepdim=True)
            here.copy_(torch.baddbmm(here * update, by_recalled, weight.mT))
        return by_said, None, None, by_weight, by_bias
