"""Groups of stamps at random: who trains on them, or judges by them."""

from collections.abc import Mapping, Sequence

import torch

from ucl.errors import InputError
from ucl.runtime import generator

__all__ = ["PARTS", "split_groups"]

PARTS = ("image", "speech", "validation", "test")  # who trains on a group's stamps, or judges by them


def split_groups(groups: Sequence[str], counts: Mapping[str, int | float], seed: int) -> dict[str, str]:
    """Group -> one of `PARTS`, at random: whole numbers are groups, and a fraction is a share of what is left.

    Raises InputError where nothing is left to train on.
    """
    names = sorted(set(groups))
    order = [names[i] for i in torch.randperm(len(names), generator=generator(seed, 41)).tolist()]
    held = int(counts["test"]) + int(counts["validation"])
    images = round(float(counts["image"]) * (len(order) - held))
    if not 0 < images < len(order) - held:
        raise InputError(
            f"{len(order)} groups of stamps are too few for {counts['test']} to test and {counts['validation']} to "
            "validate on; lower test and validation of bridging.stamps"
        )
    ends = (int(counts["test"]), held, held + images, len(order))
    parts = ("test", "validation", "image", "speech")
    starts = (0, *ends[:-1])
    return {g: part for part, i, j in zip(parts, starts, ends, strict=True) for g in order[i:j]}
