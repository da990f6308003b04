"""Prepared candidates: their half of the work over one bank, done once."""

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from ucl.core.log_sum_exp import Exponentials
from ucl.core.prepared import opened
from ucl.errors import InputError
from ucl.tensors import write_tensors

__all__ = ["Candidates"]


class Candidates:
    """Candidates with their half of the sum done: exp(T - row maximum) for every block of one bank, and one critic.

    `key` says which: the critic, its scale, and the digest of the bank.
    """

    def __init__(self, rows: Tensor, cuts: list[int], blocks: list[Exponentials], key: str, from_numpy: bool) -> None:
        self.rows, self.cuts, self.blocks, self.key, self.from_numpy = rows, cuts, blocks, key, from_numpy

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"Candidates({len(self)} x {self.rows.shape[1]}, prepared for: {self.key})"

    def check(self, key: str) -> None:
        """Raise unless these candidates were prepared by the bridge `key` describes."""
        if key != self.key:
            raise InputError(
                f"candidates were prepared for another bridge: expected {key}, got {self.key}; prepare again"
            )

    def save(self, path: str | Path) -> None:
        """Write as sealed safetensors; `load` maps the file into memory."""
        tensors = {name: torch.stack([getattr(block, name) for block in self.blocks]) for name in ("sums", "maxima")}
        tensors |= {"rows": self.rows}
        tensors |= {f"block_{i:05d}": block.values for i, block in enumerate(self.blocks)}
        tensors |= {"cuts": torch.tensor(self.cuts)}
        write_tensors(tensors, path, {"ucl-candidates": self.key, "numpy": str(self.from_numpy)})

    @staticmethod
    def load(path: str | Path) -> "Candidates":
        """Open what `save` wrote, memory-mapped; InputError where a byte of it has changed."""
        with opened(path, "ucl-candidates", "prepared candidates", "Candidates.save") as (file, about):
            cuts, sums, maxima = file.get_tensor("cuts").tolist(), file.get_tensor("sums"), file.get_tensor("maxima")
            values = [file.get_tensor(f"block_{i:05d}") for i in range(len(cuts))]
            blocks = [Exponentials(*block) for block in zip(values, sums, maxima, strict=True)]
            found = Candidates(file.get_tensor("rows"), cuts, blocks, about["ucl-candidates"], about["numpy"] == "True")
        sizes = [after - before for before, after in pairwise([0, *cuts])]
        if [block.values.shape[1] for block in blocks] != sizes or found.rows.ndim != 2:
            raise InputError(f"{path} is damaged: its blocks are not those it names; prepare the candidates again")
        return found
