"""A bank: samples of the shared modality as the two models embed them."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor
from tqdm import tqdm

from ucl.errors import InputError
from ucl.rows import Rows, as_rows, check_finite

__all__ = ["Bank"]


class Bank:
    """M samples of B, embedded by the A-B model (`for_a`, [M, d1]) and by the B-C model (`for_c`, [M, d2]).

    Row i of both is the same sample. Without `for_c`, both models share one embedding of B. Arrays, tensors, memory
    maps and files (.npy, .npz, .safetensors, .parquet) are taken; files are read a block at a time, never whole.

    Raises InputError where a matrix is empty, not two-dimensional, not floating-point, not finite (which row), or where
    the two do not describe the same number of samples.
    """

    def __init__(self, for_a: Any, for_c: Any = None) -> None:
        self.for_a: Rows = as_rows(for_a, "bank.for_a")
        self.for_c: Rows = self.for_a if for_c is None or for_c is for_a else as_rows(for_c, "bank.for_c")
        if len(self.for_a) != len(self.for_c):
            raise InputError(
                "bank.for_a and bank.for_c must describe the same samples: "
                f"got {len(self.for_a)} and {len(self.for_c)} rows; embed the same samples with both models"
            )

    def __len__(self) -> int:
        return len(self.for_a)

    @property
    def shared(self) -> bool:
        """Whether both models use one embedding of B."""
        return self.for_a is self.for_c

    def blocks(self, size: int, progress: bool = True) -> Iterator[tuple[Tensor, Tensor]]:
        """Matching blocks of `for_a` and `for_c`, checked; a progress bar appears after a few seconds."""
        starts = range(0, len(self), size)
        for start in tqdm(starts, desc="bank", unit="block", disable=not progress, delay=3, leave=False):
            stop = min(start + size, len(self))
            a = self._read(self.for_a, start, stop)
            yield a, a if self.shared else self._read(self.for_c, start, stop)

    def _read(self, rows: Rows, start: int, stop: int) -> Tensor:
        block = rows.read(start, stop)
        if not rows.in_memory:
            check_finite(block, rows.name, start)
        return block
