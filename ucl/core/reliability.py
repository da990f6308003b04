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
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ucl.core.exponential import exp_, log_sum_exp
from ucl.core.pareto import TRUSTED, excess_shape, tail_size
from ucl.core.scores import CriticScores
from ucl.core.weights import distinct_samples

__all__ = [
    "FEWEST",
    "LOGARITHM",
    "MOST",
    "EntryTrust",
    "FlatBankWarning",
    "ThinBankWarning",
    "carried_by_all",
    "largest_weights",
    "reliable",
    "tail_length",
    "trust_entries",
    "warn_if_flat",
    "warn_if_thin",
]

FEWEST = 40.0  # effective samples of a reliable answer
TAIL = 256  # weights that the shape is fitted to, at most: a longer tail is slower and no nearer to the extremes
SMALLEST = 5  # weights below which there is no shape
CHUNK = 2**22  # numbers held at once
LOGARITHM = 7.0  # logarithms of scales are below it (1,100)
MOST = 0.9  # of the anchors of a side
# How far a mean may be from the right one, in nats, and what that may do to an error, as a part of it.
NEAR, SETTLED = 0.01, 1e-3

Entries = tuple[Int[Tensor, " f"], Int[Tensor, " f"]]  # rows and columns of a grid
AllLogSums = tuple[Float[Tensor, " f"], Float[Tensor, " n"] | None, Float[Tensor, " k"] | None]


class ThinBankWarning(UserWarning):
    """Most answers rest on one sample of the bank."""


class FlatBankWarning(UserWarning):
    """A cosine critic of small scale puts more than half of the bank into nearly every answer."""


@dataclass(frozen=True)
class EntryTrust:
    """What single entries of a grid are worth, in float64."""

    standard_errors: Float[Tensor, " f"]
    effective_samples: Float[Tensor, " f"]
    reliable: Bool[Tensor, " f"]
    whole: tuple[Bool[Tensor, " n"], Bool[Tensor, " k"]] | None  # `carried_by_all`, of scores that are normalised


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
    blocks: CriticScores, i: Int[Tensor, " f"] | None, j: Int[Tensor, " _f"] | None, count: int
) -> Float[Tensor, "f _"]:
    """The `count` largest log weights of the entries (i, j) over the bank, in descending order; one pass.

    Without `j` they are those of the anchors `i` alone, and the other way round.
    """
    if blocks.log_weights is not None:  # one side alone: the other's is the null anchor, which has the weights
        i = torch.full_like(j, blocks.rows - 1) if i is None and j is not None else i
        j = torch.full_like(i, blocks.columns - 1) if j is None and i is not None else j
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


def trust_entries(blocks: CriticScores, entries: Entries, log_sums: AllLogSums) -> EntryTrust:
    """The worth of the entries (i, j) of a grid in one pass over the bank, and one more for those that may be reliable.

    `log_sums` are log sum_i w_i exp(S + T) of every entry, and, for scores that are normalised, of every row and every
    column alone. They may be rounded, as scores in float32 are: the pass finds the right ones, and where it shows in an
    error that it was done with others, the sums are taken entry by entry and the pass is done again.
    The formulas are those of `ucl.core.result.BridgeResult`, summed over samples directly.
    """
    bank, total = blocks.bank, blocks.bank.total_weight()
    spread = _spread(blocks, entries, log_sums)
    if len(again := (~spread.settled).nonzero()[:, 0]):
        some = entries[0][again], entries[1][again]
        spread.replace(again, _spread(blocks, some, _log_sums(blocks, some, log_sums[1] is not None)))
    distinct = distinct_samples(total, bank.squared_weight(blocks.seal))
    variance = spread.variance / total**2 / (1 - 1 / distinct) if distinct > 1 + 1e-9 else spread.variance * torch.nan
    effective = [value.clamp(1, len(bank)) for value in spread.effective]
    sound = effective[0] >= FEWEST
    if len(effective) > 1:
        anchors = [torch.arange(len(samples), device=sound.device) for samples in effective[1:]]
        for where, side, samples in zip(entries, ((anchors[0], None), (None, anchors[1])), effective[1:], strict=True):
            sound &= sound_sums(blocks, samples, *side)[where] if bool(sound.any()) else sound
    sound[sound.clone()] = sound_sums(blocks, effective[0][sound], entries[0][sound], entries[1][sound])
    whole = tuple(carried_by_all(samples, distinct) for samples in effective[1:])
    return EntryTrust(variance.sqrt(), effective[0], sound, (whole[0], whole[1]) if whole else None)


@dataclass
class _Spread:
    """Sums of one pass: what the samples add to each entry, squared, and the effective samples of all sums.

    `settled` says which entries were summed with the right means, as far as their variance is concerned.
    """

    variance: Float[Tensor, " f"]
    effective: list[Tensor]  # of entries [f], and of rows [n] and columns [k] where scores are normalised
    settled: Bool[Tensor, " f"]

    def replace(self, places: Int[Tensor, " g"], other: "_Spread") -> None:
        """Take some entries from a better pass."""
        self.variance[places], self.effective[0][places] = other.variance, other.effective[0]


def _spread(blocks: CriticScores, entries: Entries, log_sums: AllLogSums) -> _Spread:
    (i, j), bank, size = entries, blocks.bank, math.log(blocks.bank.total_weight())
    means = [sums - size for sums in log_sums if sums is not None]
    sums, squares = ([torch.zeros_like(mean) for mean in means] for _ in range(2))
    variance, pooled, start = torch.zeros_like(means[0]), bank.pooled(blocks.seal), 0
    for s, t in blocks.alone(torch.float64):
        single, like = _part(bank.weights, start, s), _part(pooled, start, s)
        both, start = single * like, start + s.shape[1]
        sides = [exp_(x - mean[:, None]) for x, mean in zip((s, t), means[1:], strict=False)]
        for place, side in enumerate(sides, 1):
            sums[place] += side @ single
            squares[place] += side.square() @ both
        for part in _chunks(len(i), s.shape[1]):
            x = exp_(s[i[part]].add_(t[j[part]]).sub_(means[0][part, None]))  # x_g / X, whose mean is one
            sums[0][part] += x @ single
            squares[0][part] += x.square() @ both
            off = x.sub_(sides[0][i[part]]).sub_(sides[1][j[part]]).add_(1) if sides else x.sub_(1)
            variance[part] += off.square_() @ both
    effective = [own.square() / square for own, square in zip(sums, squares, strict=True)]
    shifts = [(own.log() - size).abs() for own in sums]  # by how much the means were off
    wrong = shifts[0] * squares[0].sqrt()
    for where, shift, square in zip((i, j), shifts[1:], squares[1:], strict=False):
        wrong = wrong + (shift * square.sqrt())[where]
    return _Spread(variance, effective, (shifts[0] < NEAR) & (wrong < SETTLED * variance.sqrt()))


def _log_sums(blocks: CriticScores, entries: Entries, normalize: bool) -> AllLogSums:
    """The logarithms of the sums in float64, entry by entry: not even a grid of far maxima can underflow."""
    (i, j), start = entries, 0
    lengths = (len(i), len(blocks.a), len(blocks.c)) if normalize else (len(i),)
    found = [torch.full((length,), -torch.inf, dtype=torch.float64, device=i.device) for length in lengths]
    for s, t in blocks.alone(torch.float64):
        logs = _part(blocks.bank.weights, start, s).log()
        start += s.shape[1]
        for place, side in zip(range(1, len(found)), (s, t), strict=False):
            found[place] = torch.logaddexp(found[place], log_sum_exp(side + logs))
        for part in _chunks(len(i), s.shape[1]):
            terms = log_sum_exp(s[i[part]].add_(t[j[part]]).add_(logs))
            found[0][part] = torch.logaddexp(found[0][part], terms)
    return (found[0], found[1], found[2]) if normalize else (found[0], None, None)


def carried_by_all(effective: Float[Tensor, " n"], distinct: float) -> Bool[Tensor, " n"]:
    """Which anchors have more than half of the bank in their own sum.

    Their softmax over it is then within log 2 of the bank's own law (Renyi's divergence of order 2): the critic says
    less than one bit of B, whatever its scale. No anchor of a bank of less than `FEWEST` samples counts.
    """
    return (effective > distinct / 2) & (distinct >= FEWEST)


def sound_sums(
    blocks: CriticScores, effective: Float[Tensor, " f"], i: Int[Tensor, " _f"] | None, j: Int[Tensor, " _f"] | None
) -> Bool[Tensor, " f"]:
    """Which sums can be trusted; the bank is read again only where some have samples enough."""
    enough = effective >= FEWEST
    if not bool(enough.any()):
        return enough
    i, j = (None if side is None else side[enough] for side in (i, j))
    found = reliable(
        effective[enough], largest_weights(blocks, i, j, tail_length(len(blocks.bank)) + 1), len(blocks.bank)
    )
    return enough.masked_scatter(enough, found)


def warn_if_thin(effective: Float[Tensor, "*s"]) -> bool:
    """Warn where most answers rest on one sample of the bank; whether it did."""
    return warn_if_many(float((effective < 2).double().mean()) if effective.numel() else 0.0)


def warn_if_many(thin: float) -> bool:
    """Warn where this share of answers, that rest on one sample of the bank, is most; whether it did."""
    if thin > 0.5:
        warnings.warn(
            f"{thin:.0%} of the answers rest on one sample of the bank: their standard errors say nothing; use a "
            "larger bank, or look whether the scales are those the models were trained with",
            ThinBankWarning,
            stacklevel=4,
        )
    return thin > 0.5


def warn_if_flat(
    critics: Sequence[tuple[str, float]], whole: tuple[Bool[Tensor, " n"], Bool[Tensor, " k"]] | None
) -> bool:
    """Warn where a cosine critic, given by kind and scale, has a scale as small as a logarithm and says next to nothing
    of nearly all anchors of its side (`carried_by_all`); whether it did.
    """
    told = False
    for side, anchors, (kind, scale), those in zip(("ab", "bc"), "AC", critics, whole or (), strict=False):
        if kind == "cosine" and scale < LOGARITHM and float(those.double().mean()) > MOST:
            warnings.warn(
                f"with a scale of {scale:.4g} the {side} critic has more than half of the bank in nearly every answer: "
                f"it says less than one bit of B about nearly all of {anchors}; if {scale:.4g} is the logarithm of the "
                f"scale (logit_scale), give {math.exp(scale):.4g}",
                FlatBankWarning,
                stacklevel=4,
            )
            told = True
    return told


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
