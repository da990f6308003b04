"""Students and LogSumExp on the same simulated pairs that were kept apart from training."""

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.distilled.draws import Known, Pairs
from ucl.distilled.report import CANDIDATES, Judged
from ucl.distilled.towers import Towers
from ucl.learning.losses import info_nce
from ucl.statistics.retrieval import expected_rank

__all__ = ["Marks", "mark_log_sum_exp", "mark_towers"]

PLAIN, NORMALIZED = "log_sum_exp", "log_sum_exp_normalized"
FACTORS = [2 ** (power / 2) for power in range(-10, 3)]  # of the scale: from a thirty-second to two


class Marks:
    """One way's hits per group of 32 simulated pairs, and its InfoNCE there, in nats, at the scale where that is least.

    What has learned from few samples is too sure of itself, which costs loss but no hit; a scale takes that out. Hits
    themselves are few where few samples were kept apart, and too noisy to choose by (`ucl.distilled.report`).
    """

    def __init__(self, groups: Float[Tensor, "g k k"]) -> None:
        self.hits = (expected_rank(groups) <= 1).double().mean(1)
        losses = torch.stack([info_nce(groups * factor) for factor in FACTORS]).double()
        self.losses = losses[losses.mean(1).argmin()]

    @property
    def judged(self) -> Judged:
        """Their mean."""
        return Judged(float(self.hits.mean()), float(self.losses.mean()))

    def behind(self, other: "Marks") -> tuple[float, float]:
        """By how many nats these are behind others, and the standard error of that over groups."""
        gap = self.losses - other.losses
        return float(gap.mean()), float(gap.std() / len(gap) ** 0.5)


@torch.no_grad()
def mark_towers(towers: Towers, judged: Pairs) -> list[Marks]:
    """The marks of every seed's student."""
    x, y = towers.encode("a", judged.a), towers.encode("c", judged.c)
    grids = towers.log_scale.exp()[:, None, None] * x @ y.mT
    return [Marks(_groups(grid, *index)) for grid, *index in zip(grids, judged.index_a, judged.index_c, strict=True)]


@torch.no_grad()
def mark_log_sum_exp(known: Known, judged: Pairs, seed: int) -> dict[str, Marks]:
    """LogSumExp over the bank that the students learned from, as it is and normalised per anchor."""
    weights = None if known.log_weights is None else known.log_weights.exp()
    bridge = Bridge(known.ab, known.bc, Bank(known.for_a, known.for_c, weights=weights), normalize=False)
    result = bridge.score(judged.a[seed], judged.c[seed], progress=False)
    grids = {PLAIN: result.scores, NORMALIZED: result.with_normalization(True).scores}
    return {name: Marks(_groups(grid, judged.index_a[seed], judged.index_c[seed])) for name, grid in grids.items()}


def _groups(grid: Float[Tensor, "n k"], index_a: Tensor, index_c: Tensor) -> Float[Tensor, "g m m"]:
    """Scores of groups of pairs, each A against each C of its group; a last, shorter group is left out."""
    size = min(CANDIDATES, len(index_a))
    whole = len(index_a) // size * size
    rows, columns = (index[:whole].view(-1, size) for index in (index_a, index_c))
    return grid[rows[:, :, None], columns[:, None, :]]
