"""Which answers of a bank can be trusted as draws of it: effective samples, and the shape of the largest weights.

A standard error is itself an estimate from the bank. Where a few samples carry the sum, the samples that matter most
may not have been drawn at all, and both the score and its error are too small. An answer is called reliable where

- its effective sample size is at least `FEWEST`, and
- the shape of its largest weights (`ucl.core.pareto`) is at most `highest_shape(M)`, that is .7 for 2,200 samples and
  more (Vehtari, Simpson, Gelman, Yao and Gabry 2024, section 3);
- and, for normalised scores, the same holds for the sums over the bank of its query and of its candidate alone.

`FEWEST` was set so that in every Gaussian scene of `peers`, on seeds kept apart from those that docs/reliability.md
reports, 95 % intervals of the answers that are left cover the score of a bank of 10^6 in at least 90 % of entries.
What this says is about the draw of the bank alone: whether its two sides belong together, whether the scales are right
and whether Assumption 1 holds, no weight can tell.
"""

import math
import warnings
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.critics import Critic
from ucl.core.exponential import exp_
from ucl.core.fingerprint import Seal
from ucl.core.log_sum_exp import ScoreBlocks
from ucl.core.pareto import TRUSTED, excess_shape, tail_size
from ucl.core.scores import SideScores, block_size

__all__ = [
    "FEWEST",
    "EntryTrust",
    "ThinBankWarning",
    "largest_weights",
    "reliable",
    "tail_length",
    "trust_entries",
    "warn_if_thin",
]

FEWEST = 40.0  # effective samples of a reliable answer
TAIL = 256  # weights that the shape is fitted to, at most: a longer tail is slower and no nearer to the extremes
SMALLEST = 5  # weights below which there is no shape
CHUNK = 2**22  # numbers held at once


class ThinBankWarning(UserWarning):
    """Most answers rest on one sample of the bank."""


@dataclass(frozen=True)
class EntryTrust:
    """What single entries of a grid are worth, in float64."""

    standard_errors: Float[Tensor, " f"]
    effective_samples: Float[Tensor, " f"]
    reliable: Bool[Tensor, " f"]


def highest_shape(samples: int) -> float:
    """The largest shape with which an average over so many samples can be used (Vehtari et al. 2024, equation 13)."""
    return min(TRUSTED, 1 - 1 / math.log10(max(samples, 2)))


def tail_length(samples: int) -> int:
    """How many of the largest weights of so many samples the shape is fitted to."""
    return min(tail_size(samples), TAIL)


def reliable(effective: Float[Tensor, " f"], largest: Float[Tensor, "f t"], samples: int) -> Bool[Tensor, " f"]:
    """Which sums can be trusted: `largest` are log weights in descending order, one more than the tail has."""
    sound = effective >= FEWEST
    if not bool(sound.any()) or largest.shape[1] <= SMALLEST:
        return torch.zeros_like(sound)
    rows = largest[sound]
    weights = exp_(rows - rows[:, :1])
    shapes = excess_shape((weights[:, :-1] - weights[:, -1:]).flip(-1))
    return sound.masked_scatter(sound, shapes <= highest_shape(samples))


def largest_weights(
    blocks: ScoreBlocks, i: Int[Tensor, " f"] | None, j: Int[Tensor, " _f"] | None, count: int
) -> Float[Tensor, "f _"]:
    """The `count` largest log weights of the entries (i, j) over the bank, in descending order; one pass.

    Without `j` they are those of the anchors `i` alone, and the other way round.
    """
    rows, where_i = (torch.zeros(1, dtype=torch.long), None) if i is None else i.unique(return_inverse=True)
    columns, where_j = (torch.zeros(1, dtype=torch.long), None) if j is None else j.unique(return_inverse=True)
    entries = len(i if i is not None else j if j is not None else ())
    top = torch.empty(entries, 0, dtype=torch.float64, device=blocks.device)
    if not entries:
        return top
    for s, t in blocks(torch.float64, rows.to(blocks.device), columns.to(blocks.device)):
        parts = []
        for part in _chunks(entries, s.shape[1]):
            sides = [scores[where[part]] for scores, where in ((s, where_i), (t, where_j)) if where is not None]
            parts.append(_merged(top[part], sides[0] + sides[1] if len(sides) == 2 else sides[0], count))
        top = torch.cat(parts)
    return top


def trust_entries(
    critics: tuple[Critic, Critic],
    bank: Bank,
    grid: tuple[Float[Tensor, "n d1"], Float[Tensor, "k d2"]],
    entries: tuple[Int[Tensor, " f"], Int[Tensor, " f"]],
    log_sums: tuple[Float[Tensor, " f"], Float[Tensor, " n"] | None, Float[Tensor, " k"] | None],
    seal: Seal,
    progress: bool = False,
) -> EntryTrust:
    """The worth of the entries (i, j) of a grid in one pass over the bank, which `seal` holds to the scores' own.

    `log_sums` are log sum_i w_i exp(S + T) of every entry, and, for scores that are normalised, of every row and every
    column alone. The formulas are those of `ucl.core.result.BridgeResult`, summed over samples directly.
    """
    (a, c), (i, j), size = grid, entries, math.log(bank.total_weight())
    pairs, *anchors = log_sums
    pooled, weights, start = bank.pooled(seal), bank.weights, 0
    sides = SideScores(critics[0], a, "a", torch.float64), SideScores(critics[1], c, "c", torch.float64)
    answers, alone = _Sums(pairs, len(bank)), [_Sums(sums, len(bank)) for sums in anchors if sums is not None]
    variance = torch.zeros_like(pairs)
    for for_a, for_c in bank.blocks(bank.cuts_for(block_size(len(a) + len(c))), progress, seal):
        s, t = (side(block, unit) for side, block, unit in zip(sides, (for_a, for_c), bank.unit, strict=True))
        own, like = (_part(values, start, s) for values in (weights, pooled))
        start += s.shape[1]
        both, log_own = own * like, own.log()
        ratios = [
            sums.add(slice(None), scores, size, both, log_own) for sums, scores in zip(alone, (s, t), strict=False)
        ]
        for part in _chunks(len(i), s.shape[1]):
            off = answers.add(part, s[i[part]] + t[j[part]], size, both, log_own).sub_(1)  # x_g / X - 1
            if ratios:
                off.sub_(ratios[0][i[part]]).sub_(ratios[1][j[part]]).add_(2)
            variance[part] += off.square() @ both
        for sums in (answers, *alone):
            sums.end()
    total = bank.total_weight()
    distinct = total**2 / bank.squared_weight(seal)
    errors = (variance / total**2 / (1 - 1 / distinct)).sqrt() if distinct > 1 + 1e-9 else variance * torch.nan
    (effective, sound), *others = (sums.verdict(total) for sums in (answers, *alone))
    for (_, known), where in zip(others, (i, j), strict=False):
        sound = sound & known[where]
    return EntryTrust(errors, effective, sound)


class _Sums:
    """What is added up over the bank for some sums over it whose logarithms are known."""

    def __init__(self, log_sums: Float[Tensor, " f"], samples: int) -> None:
        self.log_sums, self.samples, self.square = log_sums, samples, torch.zeros_like(log_sums)
        self.top, self.count = log_sums.new_empty(len(log_sums), 0), tail_length(samples) + 1
        self.next: list[Tensor] = []

    def add(
        self, part: slice, terms: Float[Tensor, "p m"], size: float, both: Float[Tensor, " m"], own: Float[Tensor, " m"]
    ) -> Float[Tensor, "p m"]:
        """Take in a block of log terms of some of the sums; each term over the mean term, whose mean is one."""
        self.next.append(_merged(self.top[part], terms + own, self.count))
        ratio = exp_(terms - (self.log_sums[part] - size)[:, None])
        self.square[part] += ratio.square() @ both
        return ratio

    def end(self) -> None:
        """All sums have had this block."""
        self.top, self.next = torch.cat(self.next), []

    def verdict(self, total: float) -> tuple[Float[Tensor, " f"], Bool[Tensor, " f"]]:
        """Effective samples, and which sums can be trusted."""
        effective = (total**2 / self.square).clamp(1, self.samples)
        return effective, reliable(effective, self.top, self.samples)


def warn_if_thin(effective: Float[Tensor, "*s"]) -> bool:
    """Warn where most answers rest on one sample of the bank; whether it did."""
    thin = float((effective < 2).double().mean()) if effective.numel() else 0.0
    if thin > 0.5:
        warnings.warn(
            f"{thin:.0%} of the answers rest on one sample of the bank: their standard errors say nothing; use a "
            "larger bank, or look whether the scales are those the models were trained with",
            ThinBankWarning,
            stacklevel=3,
        )
    return thin > 0.5


def _part(values: Float[Tensor, " m"] | None, start: int, scores: Float[Tensor, "n b"]) -> Float[Tensor, " b"]:
    """The weights of a block; ones where all are alike."""
    if values is None:
        return scores.new_ones(scores.shape[1])
    return values[start : start + scores.shape[1]].to(scores)


def _chunks(entries: int, samples: int) -> list[slice]:
    step = max(1, CHUNK // samples)
    return [slice(start, start + step) for start in range(0, entries, step)]


def _merged(top: Float[Tensor, "f t"], terms: Float[Tensor, "f m"], count: int) -> Float[Tensor, "f _"]:
    """The `count` largest of what was found so far and of a new block, in descending order."""
    both = torch.cat([top, terms.topk(min(count, terms.shape[1]), dim=1).values], 1)
    return both.topk(min(count, both.shape[1]), dim=1).values
