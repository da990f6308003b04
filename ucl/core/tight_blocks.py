"""Groups of similar rows: what makes the blocks of a bank tight."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ucl.core.critics import squared_distances

__all__ = ["group_rows"]

SAMPLE = 8192  # rows among which centres are looked for


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
