"""Groups of similar rows: what makes the blocks of a bank tight."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ucl.core.critics import squared_distances

__all__ = ["group_rows", "tight_groups"]

GROUP = 2048  # rows in a block on average, where the bank has no clusters to speak of
FINE = 64  # rows in a tight block on average, at least
NATS = 15.0  # radius of a tight block's scores: products are at least exp(-60), far above what float32 loses
FEATURES = 64  # dimensions in which rows are clustered
SAMPLE = 8192  # rows among which centres are looked for


def tight_groups(sides: list[Float[Tensor, "m _d"]], scales: list[float]) -> list[Int[Tensor, " _"]]:
    """Rows by cluster: as few clusters as make every block tight, or large ones where that takes too many."""
    features = _features(sides, scales)
    fine = group_rows(features, min(512, max(1, len(features) // FINE)), within=NATS)
    return fine if len(fine) > 1 else group_rows(features, max(1, len(features) // GROUP), rounds=3)


def _features(sides: list[Float[Tensor, "m _d"]], scales: list[float]) -> Float[Tensor, "m f"]:
    """What both critics see of each row, in few dimensions (a random projection keeps distances)."""
    generator = torch.Generator().manual_seed(0)
    features = []
    for side, scale in zip(sides, scales, strict=False):
        width = side.shape[1]
        if width > FEATURES:
            plane = torch.randn(width, FEATURES, generator=generator, dtype=side.dtype).to(side.device)
            side = side @ (plane / FEATURES**0.5)
        features.append(side * scale)
    return torch.cat([feature.double() for feature in features], 1)


def group_rows(
    features: Float[Tensor, "m f"], groups: int, rounds: int = 0, within: float | None = None
) -> list[Int[Tensor, " _"]]:
    """Indices of the rows of each group: nearest of at most `groups` centres, found by farthest-point clustering.

    Each new centre is the row farthest from all earlier ones, so the largest distance to a centre is at most twice the
    best possible (Gonzalez 1985) among the rows looked at: all of them, or an even sample of a long matrix. With
    `within`, no more centres are made than bring every row that near to one; none of this is of use if that cannot be
    had, and the answer is a single group. `rounds` of averaging (Lloyd 1982) even out the sizes. Deterministic; empty
    groups are left out.
    """
    sample = features[:: -(-len(features) // SAMPLE)]
    centres, radius = _far_apart(sample, groups, within or 0.0)
    if within is not None and radius > within:
        return [torch.arange(len(features), device=features.device)]
    for _ in range(rounds):
        label = squared_distances(sample, centres).argmin(1)
        counts = label.bincount(minlength=len(centres)).clamp_min(1)[:, None]
        centres = torch.zeros_like(centres).index_add_(0, label, sample) / counts
    label = torch.cat([squared_distances(part, centres).argmin(1) for part in features.split(SAMPLE)])
    return [group for group in label.argsort(stable=True).split(label.bincount().tolist()) if len(group)]


def _far_apart(rows: Float[Tensor, "m f"], count: int, within: float) -> tuple[Float[Tensor, "g f"], float]:
    """At most `count` rows far from each other, and the largest distance of any row to the nearest of them."""
    chosen = [0]
    nearest = (rows - rows[0]).square().sum(1)
    while len(chosen) < count and float(nearest.max()) > within**2:
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, (rows - rows[chosen[-1]]).square().sum(1))
    return rows[chosen], float(nearest.max()) ** 0.5
