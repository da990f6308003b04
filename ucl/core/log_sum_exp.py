"""log sum_i exp(S_ai + T_ci) over a bank as a matrix product, with a certificate for every entry.

**Factorised evaluation.** For a block of m samples with row maxima p_a = max_i S_ai and q_c = max_i T_ci,

    sum_i exp(S_ai + T_ci) = exp(p_a + q_c) * (E @ F.T)_ac,    E = exp(S - p),  F = exp(T - q),

which costs (n + k) m exponentials and one matrix product instead of n k m exponentials. Blocks are added up in float64
against one reference per row and per column, so sums over blocks neither round nor underflow before exp(-708).

**Rounding.** All terms are positive: nothing cancels. A float32 product is summed in runs of 128 terms, so a block of m
samples is off by at most (128 + m / 128) 2^-24, about 1e-5, even where equal terms round the same way.

**Certificate.** What remains is underflow. With q the smallest normal number of the working precision, an entry of E or
F below 1.1 q is replaced by that (`ucl.core.exponential`) and a product below q may become zero (denormals may be
flushed), so a block is off by at most `4 m q exp(p_a + q_c)`; float64 sums lose at most `4 M 2^-1022` more. Both are
added up for every entry. An entry is certified if what it may be off by is below `loss` (2^-27 in float32, 2^-47 in
float64) of what was found, hence its logarithm is off by no more than that. The bound holds whatever the scores are; a
check for infinities or zeros would not do, since a sum of denormals is finite, positive and wrong.

**Wide range.** What float32 leaves uncertified is evaluated again by the same products in float64, whose range is
exp(-708) instead of exp(-87): enough wherever the scales add up to less than 350.

**Tight blocks.** What is still not certified is evaluated in float64 in blocks of similar samples: columns of (S, T)
grouped by farthest-point clustering (Gonzalez 1985: radius at most twice the best possible). In a group of radius r
(largest difference of a score to the group's centre) every product is at least exp(-4 r), however far the groups lie
apart, and groups are added up in the log domain. The same certificate decides. `Bank.prepare` sorts a bank into such
blocks beforehand, by the rows themselves: the first pass then seldom leaves anything to do.

**Exact path.** What is still not certified is evaluated entry by entry: a streaming LogSumExp in float64 with the
entry's own running maximum, which cannot underflow.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ucl.core.critics import dot_products
from ucl.core.exponential import exp_
from ucl.core.tight_blocks import group_rows
from ucl.errors import InputError

__all__ = ["Exponentials", "LogSums", "ScoreBlocks", "ScorePair", "log_sums"]


@dataclass(frozen=True)
class Exponentials:
    """A block of scores after its share of the work: exp(scores - row maximum), its row sums, the maxima in float64."""

    values: Float[Tensor, "n m"]
    sums: Float[Tensor, " n"]
    maxima: Float[Tensor, " n"]

    @classmethod
    def of(cls, scores: Float[Tensor, "n m"]) -> "Exponentials":
        """Overwrites `scores`."""
        maxima = scores.amax(1)
        values = exp_(scores.sub_(maxima[:, None]))
        return cls(values, values.sum(1), maxima.double())


ScorePair = tuple[Tensor, Tensor]  # S [n, m] and T [k, m], which the receiver may overwrite
LOSS = {torch.float32: 2.0**-27, torch.float64: 2.0**-47}
SMALLEST = {torch.float32: 2.0**-126, torch.float64: 2.0**-1022}
# From this number of uncertified entries on, and this share of the grid they span, products beat the exact path, a
# term of which takes as long as 400 of a product; tight blocks have to be found first.
WIDE, TIGHT = (1, 0.0025), (512, 0.02)
GROUP = 256  # samples in a tight block, on average
LANDMARKS = 64  # rows of S and of T by which samples are compared for clustering
CHUNK = 2**22  # numbers the exact path holds at once
SLAB = 2**21  # entries of a grid worked on at once on a CPU: more would take fresh memory at every step


class ScoreBlocks(ABC):
    """The scores of one grid against a bank, a block of samples at a time; they can be read again and again."""

    rows: int
    columns: int
    device: torch.device

    @abstractmethod
    def __call__(
        self, dtype: torch.dtype, rows: Tensor | None = None, columns: Tensor | None = None
    ) -> Iterator[ScorePair]:
        """Yield S [n, m] and T [k, m], or only the given rows of S and of T (`columns` of the grid)."""

    def exponentials(self, dtype: torch.dtype) -> Iterator[tuple[Exponentials, Exponentials]]:
        """The same for the whole grid, with the exponentials taken: what a subclass may have done beforehand."""
        for scores_ab, scores_cb in self(dtype):
            yield Exponentials.of(scores_ab), Exponentials.of(scores_cb)


@dataclass(frozen=True)
class LogSums:
    """Logarithms of sums over the bank, in float64."""

    pairs: Float[Tensor, "n k"]  # log sum_i exp(S_ai + T_ci)
    rows: Float[Tensor, " n"]  # log sum_i exp(S_ai)
    columns: Float[Tensor, " k"]  # log sum_i exp(T_ci)
    recomputed: int = 0  # entries the certificate sent back


def log_sums(blocks: ScoreBlocks, dtype: torch.dtype) -> LogSums:
    """Evaluate a whole grid: products in `dtype`, then whatever the certificate does not accept.

    `dtype` float32 means scores and products of blocks in float32 and everything else in float64.
    """
    sums, certified = _product_pass(blocks.exponentials(dtype), (blocks.rows, blocks.columns), dtype, blocks.device)
    recomputed = certified.numel() - int(certified.count_nonzero())
    if recomputed:
        _recompute(blocks, sums.pairs, ~certified, dtype)
    if not all(bool(torch.isfinite(value).all()) for value in (sums.pairs, sums.rows, sums.columns)):
        raise InputError("sums of scores leave the range of float64: give smaller scores, or rescale the embeddings")
    return LogSums(sums.pairs, sums.rows, sums.columns, recomputed)


class _Side:
    """Row sums of exp(scores) relative to a reference per row, and the maxima of every block."""

    SLACK = 100.0  # a reference follows the maxima once they exceed it by this much: far from overflow, rarely moved

    def __init__(self) -> None:
        self.reference: Tensor | None = None
        self.sums: Tensor
        self.weights: list[Tensor] = []

    def add(self, block: Exponentials) -> tuple[Tensor, Tensor | None]:
        """Take in a block; return its weight per row, and by how much earlier sums must shrink (None: not at all)."""
        shrink, maxima = None, block.maxima
        if self.reference is None:
            self.reference, self.sums = maxima.clone(), torch.zeros_like(maxima)
        elif bool((maxima > self.reference + self.SLACK).any()):
            raised = torch.maximum(self.reference, maxima)
            shrink = (self.reference - raised).exp()
            self.reference, self.sums = raised, self.sums * shrink
            self.weights = [weight * shrink for weight in self.weights]
        weight = (maxima - self.reference).exp()
        self.sums = self.sums + weight * block.sums
        self.weights.append(weight)
        return weight, shrink

    @property
    def log_sums(self) -> Tensor:
        assert self.reference is not None
        return self.reference + self.sums.log()


def _product_pass(
    blocks: Iterator[tuple[Exponentials, Exponentials]],
    shape: tuple[int, int],
    dtype: torch.dtype,
    device: torch.device,
) -> tuple[LogSums, Bool[Tensor, "n k"]]:
    """One pass of matrix products over the bank, and which entries are certified."""
    total = torch.zeros(shape, dtype=torch.float64, device=device)
    slabs = _slabs(shape, device)
    left, right, sizes = _Side(), _Side(), []
    for e, f in blocks:
        row_weight, row_shrink = left.add(e)
        column_weight, column_shrink = right.add(f)
        if row_shrink is not None:
            total *= row_shrink[:, None]
        if column_shrink is not None:
            total *= column_shrink
        for slab in slabs:
            product = dot_products(e.values[slab], f.values).double().mul_(row_weight[slab, None])
            total[slab].addcmul_(product, column_weight[None, :])
        sizes.append(e.values.shape[1])
    assert left.reference is not None
    assert right.reference is not None
    certified = torch.empty(shape, dtype=torch.bool, device=device)
    lost = _lost(left, right, sizes, SMALLEST[dtype])
    for slab in slabs:
        torch.le(lost(slab), LOSS[dtype] * total[slab], out=certified[slab])
        total[slab].log_().add_(left.reference[slab, None]).add_(right.reference)
    return LogSums(total, left.log_sums, right.log_sums), certified


def _slabs(shape: tuple[int, int], device: torch.device) -> list[slice]:
    """Rows of a grid to be worked on together."""
    rows, columns = shape
    step = max(1, SLAB // max(columns, 1)) if device.type == "cpu" else rows
    return [slice(start, start + step) for start in range(0, rows, step)]


def _lost(left: _Side, right: _Side, sizes: list[int], smallest: float) -> Callable[[slice], Float[Tensor, "n k"]]:
    """For a slab of rows, the most that underflow can have moved each entry, relative to its references."""
    counts = torch.tensor(sizes, dtype=torch.float64, device=left.sums.device)
    rows, columns = torch.stack(left.weights, 1) * counts, torch.stack(right.weights, 1)
    return lambda slab: (rows[slab] @ columns.T).mul_(4 * smallest).add_(4 * sum(sizes) * SMALLEST[torch.float64])


def _recompute(
    blocks: ScoreBlocks, pairs: Float[Tensor, "n k"], flagged: Bool[Tensor, "n k"], dtype: torch.dtype
) -> None:
    """Overwrite the flagged entries of `pairs` by certified ones, by the cheapest way that can certify them."""
    passes = ((_wide_pass, WIDE), (_tight_pass, TIGHT))
    for evaluate, (least, share) in passes if dtype == torch.float32 else passes[1:]:
        rows, columns = flagged.any(1).nonzero()[:, 0], flagged.any(0).nonzero()[:, 0]
        grid = flagged[rows][:, columns]
        if int(grid.sum()) < max(least, share * grid.numel()):
            break
        values, certified = evaluate(blocks, rows, columns)
        i, j = (grid & certified).nonzero(as_tuple=True)
        pairs[rows[i], columns[j]] = values[i, j]
        flagged[rows[i], columns[j]] = False
    if bool(flagged.any()):
        rows, columns = flagged.any(1).nonzero()[:, 0], flagged.any(0).nonzero()[:, 0]
        i, j = flagged[rows][:, columns].nonzero(as_tuple=True)
        pairs[rows[i], columns[j]] = _exact(blocks, rows, columns, i, j)


def _wide_pass(
    blocks: ScoreBlocks, rows: Int[Tensor, " n"], columns: Int[Tensor, " k"]
) -> tuple[Float[Tensor, "n k"], Bool[Tensor, "n k"]]:
    """The same products in float64, whose range takes scores that differ by 700."""
    wide = ((Exponentials.of(s), Exponentials.of(t)) for s, t in blocks(torch.float64, rows, columns))
    sums, certified = _product_pass(wide, (len(rows), len(columns)), torch.float64, blocks.device)
    return sums.pairs, certified


def _tight_pass(
    blocks: ScoreBlocks, rows: Int[Tensor, " n"], columns: Int[Tensor, " k"]
) -> tuple[Float[Tensor, "n k"], Bool[Tensor, "n k"]]:
    """Products in float64 over groups of similar samples, added up in the log domain; and which are certified."""
    shape = (len(rows), len(columns))
    total = torch.full(shape, -torch.inf, dtype=torch.float64, device=blocks.device)
    lost = total.clone()
    for scores_ab, scores_cb in blocks(torch.float64, rows, columns):
        for group in _similar_samples(scores_ab, scores_cb):
            e, f = Exponentials.of(scores_ab[:, group]), Exponentials.of(scores_cb[:, group])
            reference = e.maxima[:, None] + f.maxima
            total = torch.logaddexp(total, (e.values @ f.values.T).log_().add_(reference))
            lost = torch.logaddexp(lost, reference + math.log(4 * len(group)))
    return total, lost + math.log(SMALLEST[torch.float64] / LOSS[torch.float64]) <= total


def _similar_samples(scores_ab: Float[Tensor, "n m"], scores_cb: Float[Tensor, "k m"]) -> list[Int[Tensor, " _"]]:
    """Groups of samples with similar columns of scores, judged by some of the rows."""
    evenly = (
        torch.linspace(0, len(s) - 1, min(len(s), LANDMARKS), dtype=torch.float32) for s in (scores_ab, scores_cb)
    )
    landmarks = [s[even.long()] for s, even in zip((scores_ab, scores_cb), evenly, strict=True)]
    features = torch.cat(landmarks).T.contiguous()
    return group_rows(features, max(1, len(features) // GROUP))


def _exact(
    blocks: ScoreBlocks, rows: Int[Tensor, " n"], columns: Int[Tensor, " k"], i: Int[Tensor, " f"], j: Int[Tensor, " f"]
) -> Float[Tensor, " f"]:
    """Streaming LogSumExp in float64 of the entries (rows[i], columns[j])."""
    total = torch.full(i.shape, -torch.inf, dtype=torch.float64, device=blocks.device)
    for scores_ab, scores_cb in blocks(torch.float64, rows, columns):
        chunk = max(1, CHUNK // scores_ab.shape[1])
        for start in range(0, len(i), chunk):
            part = slice(start, start + chunk)
            block = torch.logsumexp(scores_ab[i[part]] + scores_cb[j[part]], 1)
            total[part] = torch.logaddexp(total[part], block)
    return total
