"""What numbers were when they were looked at: fingerprints at the speed of memory, and the error where they changed."""

import numpy as np
import torch
import xxhash
from jaxtyping import Float
from torch import Tensor

from ucl.errors import InputError

__all__ = ["ChangedError", "Fingerprint", "Seal", "fingerprint", "row_hashes"]

# Odd numbers with well-mixed bits (splitmix64, Steele et al. 2014), as signed integers.
MIX = (0x9E3779B97F4A7C15 - 2**64, 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64)
CHUNK = 2**22  # numbers looked at at once


class ChangedError(InputError, RuntimeError):
    """Numbers are no longer what the scores were made from. Autograd raises the same kind for the same reason."""


class Fingerprint:
    """A running 128-bit hash (XXH3) of the rows of a matrix, the same however they are cut into blocks.

    Off the CPU rows are hashed where they are, by mixed and added words (64 bits); the two kinds never compare equal.
    """

    def __init__(self) -> None:
        self.hash, self.rows, self.width = xxhash.xxh3_128(), 0, 0
        self.total: Tensor | None = None

    def add(self, block: Float[Tensor, "m d"]) -> None:
        """Take in the next rows."""
        for part in block.detach().split(max(1, CHUNK // block.shape[1])):
            if part.device.type == "cpu":
                self.hash.update(part.contiguous().numpy())
            else:
                mixed = mixed_sum(part, self.rows)
                self.total = mixed if self.total is None else self.total + mixed
            self.rows += len(part)
        self.width = block.shape[1]

    def digest(self) -> str:
        """Of all rows so far, in hexadecimal digits."""
        self.hash.update(repr((self.rows, self.width, None if self.total is None else int(self.total))).encode())
        return str(self.hash.hexdigest())


def fingerprint(matrix: Float[Tensor, "m d"]) -> str:
    """Digest of one matrix."""
    running = Fingerprint()
    running.add(matrix)
    return running.digest()


def mixed_sum(block: Float[Tensor, "m d"], first: int) -> Tensor:
    """Sum of the words of a block, each mixed with its place; `first` is the place of the first row."""
    words = block.contiguous().view(torch.int32).to(torch.int64)
    rows = torch.arange(first, first + len(words), device=block.device)[:, None] * MIX[0]
    words.add_(rows).add_(torch.arange(words.shape[1], device=block.device) * MIX[1])
    for factor in MIX[1:]:
        words.bitwise_xor_(words >> 31).mul_(factor)
    return words.bitwise_xor_(words >> 29).sum()


def row_hashes(sides: list[Float[Tensor, "m _d"]]) -> np.ndarray:
    """A 64-bit hash (XXH3) of each row of all sides together; equal rows have equal ones."""
    seeds = [0] * len(sides[0])
    for side in sides:
        rows = side.detach().cpu().contiguous().numpy()
        seeds = [xxhash.xxh3_64_intdigest(row, seed) for row, seed in zip(rows, seeds, strict=True)]
    return np.array(seeds, dtype=np.uint64)


class Seal:
    """Holds passes over a bank to what the first of them read."""

    def __init__(self) -> None:
        self.mark: str | None = None

    def check(self, mark: str) -> None:
        """Raise ChangedError unless `mark` is that of the first pass."""
        if self.mark is None:
            self.mark = mark
        elif mark != self.mark:
            raise ChangedError(
                "the bank has changed since these scores were made: read their errors and gradients before it changes, "
                "or score again"
            )
