"""The rows of a bank as a check looks at them: represented as the critics see them, in memory."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.critics import Critic, represent
from ucl.core.readers import Rows, single
from ucl.runtime import generator

__all__ = ["LookedAt", "some"]

HELD = 2**27  # numbers of a side that are looked at; of a larger bank, blocks of rows from all over it
BLOCK = 2**12


@dataclass(frozen=True)
class LookedAt:
    """Rows of both sides, in float32; `index` says which of the bank they are."""

    for_a: Float[Tensor, "m d1"]
    for_c: Float[Tensor, "m d2"]
    index: Int64[Tensor, " m"]

    @classmethod
    def of(cls, bank: Bank, ab: Critic, bc: Critic) -> "LookedAt":
        """The whole bank where it fits."""
        index = _places(len(bank), HELD // max(bank.for_a.shape[1], bank.for_c.shape[1]))
        for_a = _rows(bank.for_a, index, ab, bank.unit[0])
        same = bank.shared and type(ab) is type(bc)
        return cls(for_a, for_a if same else _rows(bank.for_c, index, bc, bank.unit[1]), index)

    def __len__(self) -> int:
        return len(self.index)


def some(rows: Tensor, count: int, seed: int) -> Tensor:
    """At most `count` rows, drawn at random, in their order."""
    return rows[torch.randperm(len(rows), generator=generator(seed, len(rows)))[:count].sort().values]


def _places(count: int, held: int) -> Int64[Tensor, " m"]:
    if count <= held:
        return torch.arange(count)
    starts = torch.arange(0, count - BLOCK, BLOCK)
    return torch.cat([torch.arange(int(start), int(start) + BLOCK) for start in some(starts, held // BLOCK, 0)])


def _rows(rows: Rows, index: Tensor, critic: Critic, unit: bool) -> Tensor:
    blocks = []
    for part in index.split(BLOCK):
        block = rows.read(int(part[0]), int(part[-1]) + 1).detach().cpu()
        blocks.append(single(represent(critic, block, rows.name, unit, int(part[0])), rows.name))
    return torch.cat(blocks)
