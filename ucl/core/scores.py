"""Scores of anchors against a bank, a block of samples at a time."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.candidates import Candidates
from ucl.core.critics import Cosine, Critic, Dot, represent
from ucl.core.fingerprint import Seal
from ucl.core.log_sum_exp import Exponentials, LogSums, ScoreBlocks, ScorePair
from ucl.core.spot_check import WIDEST, SpotCheck
from ucl.errors import InputError

__all__ = [
    "CriticScores", "GivenScores", "SideScores", "block_size", "check_range", "extended", "without_null",
    "working_dtype",
]  # fmt: skip

# Below this sum of scales, products are made in float64: the rounding of the scores takes 70 % of the tolerance of
# 5e-7 times the sum, and the proven bound on a float32 product, 1e-5, must fit into the rest. Above the other, float32
# has no room for sums of scores.
SMALL_SCALE, LARGE_SCALE = 64.0, 1e30
# Samples in a block: about as many as make 2^22 scores (small enough for a cache), at least so many that adding up the
# grid is little beside the product, at most so many that their embeddings are small beside anything else.
BLOCK_NUMBERS, BLOCK_ROWS = 2**22, (2048, 16384)


def block_size(anchors: int) -> int:
    """Samples in a block for so many anchors on both sides together."""
    smallest, largest = BLOCK_ROWS
    return min(largest, max(smallest, BLOCK_NUMBERS // anchors))


def working_dtype(ab: Critic, bc: Critic, bank: Bank, dtype: torch.dtype) -> torch.dtype:
    """The precision of scores and products for answers in `dtype`: float32 where that is exact enough, else float64."""
    cosine = isinstance(ab, Cosine) and isinstance(bc, Cosine)
    scale = ab.number + bc.number
    narrow = max(bank.for_a.shape[1], bank.for_c.shape[1]) <= WIDEST
    enough = cosine and narrow and bank.weights is None and SMALL_SCALE <= scale <= LARGE_SCALE
    return torch.float32 if dtype == torch.float32 and enough else torch.float64


def extended(
    s: Float[Tensor, "n m"], t: Float[Tensor, "k m"], log_weights: Float[Tensor, " m"]
) -> tuple[Float[Tensor, "n1 m"], Float[Tensor, "k1 m"]]:
    """Scores of a weighted bank: an anchor more on each side, whose scores are zero, and log weights added to T.

    The sums of the grid are then weighted, and those with a null anchor are the weighted sums of one side alone.
    """
    weights = log_weights.to(t)
    return torch.cat([s, s.new_zeros(1, s.shape[1])]), torch.cat([t, t.new_zeros(1, t.shape[1])]) + weights


def without_null(sums: LogSums) -> LogSums:
    """The sums of a grid without its null anchors."""
    pairs = sums.pairs
    return LogSums(pairs[:-1, :-1], pairs[:-1, -1], pairs[-1, :-1], sums.recomputed)


def check_range(
    scores: Float[Tensor, "n m"], critic: Critic, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], what: str
) -> None:
    """Raise InputError where scores of represented rows, `what` in words, leave the range of float64."""
    if not bool(torch.isfinite(scores.sum())) and not bool(torch.isfinite(scores).all()):
        raise InputError(
            f"{what} under the {critic.name} critic must be within the range of float64: got "
            f"{float(x.abs().max()):.1e} and {float(y.abs().max()):.1e} as largest numbers of the embeddings; "
            "rescale them, and the critic's scale with them"
        )


class SideScores:
    """One critic's scores of some anchors against blocks of a bank.

    With `reuse`, every block is written over the one before: fresh memory costs a third of a product's time.
    """

    def __init__(self, critic: Critic, anchors: Tensor, name: str, dtype: torch.dtype, reuse: bool = True) -> None:
        self.critic, self.name, self.reuse, self.dtype = critic, name, reuse, dtype
        self.memory: Tensor | None = None
        self.seen = 0  # samples of the bank so far
        self.scale = critic.number
        # Anchors are few: their norms are taken in float64, and a scale that commutes with the product goes to them.
        anchors = represent(critic, anchors.double(), name)
        if isinstance(critic, Cosine | Dot):
            anchors, self.scale = anchors * self.scale, 1.0
        self.anchors = anchors.to(dtype)
        self.check = SpotCheck(anchors, critic.number) if dtype == torch.float32 else None

    def __call__(self, block: Tensor, unit: bool) -> Float[Tensor, "n m"]:
        name = "bank.for_a" if self.name == "a" else "bank.for_c"
        block = represent(self.critic, block.to(self.anchors), name, unit, self.seen)
        self.seen += len(block)
        size = len(self.anchors) * len(block)
        if self.reuse and (self.memory is None or len(self.memory) < size):
            self.memory = self.anchors.new_empty(size)
        out = None if self.memory is None else self.memory[:size].view(len(self.anchors), len(block))
        if self.check is not None:
            return self.check(block, out)
        scores = self.critic.compare(self.anchors, block, out)
        scores = scores if self.scale == 1 else scores.mul_(self.scale)
        check_range(scores, self.critic, self.anchors, block, f"scores of {self.name} and {name}")
        return scores


class CriticScores(ScoreBlocks):
    """The scores of two critics over a bank, block by block; every pass is held to what the first one read.

    Given the seal of an earlier pass as `squared`, samples enter with their weight times that of all samples like them.
    """

    def __init__(
        self,
        critics: tuple[Critic, Critic],
        bank: Bank,
        a: Tensor,
        c: Tensor,
        progress: bool,
        prepared: Candidates | None = None,
        squared: Seal | None = None,
    ) -> None:
        # Copies: the caller's queries and scales may change before the errors are read.
        self.critics = tuple(type(critic)(critic.number) for critic in critics)
        self.a, self.c = a.detach().clone(), c if prepared else c.detach().clone()
        self.bank, self.progress, self.prepared, self.device = bank, progress, prepared, a.device
        self.seal = squared or Seal()
        self.log_weights = bank.log_weights(squared)
        null = 0 if self.log_weights is None else 1
        self.rows, self.columns = len(a) + null, len(c) + null

    def moment(self, p: int, q: int) -> "CriticScores":
        """p S and q T over squared weights: their sums are second moments of the weights exp(S + T)."""
        ab, bc = (type(critic)(power * critic.number) for critic, power in zip(self.critics, (p, q), strict=True))
        return CriticScores((ab, bc), self.bank, self.a, self.c, self.progress, squared=self.seal)

    def __call__(
        self, dtype: torch.dtype, rows: Tensor | None = None, columns: Tensor | None = None
    ) -> Iterator[ScorePair]:
        bank = self._bank(dtype)
        unit, start = bank.unit, 0
        (a, some_a), (c, some_c) = _some(self.a, rows), _some(self.c, columns)
        left, right = SideScores(self.critics[0], a, "a", dtype), SideScores(self.critics[1], c, "c", dtype)
        cuts = bank.cuts_for(block_size(len(a) + len(c)))
        for for_a, for_c in bank.blocks(cuts, self.progress, self.seal):
            s, t = left(for_a, unit[0]), right(for_c, unit[1])
            if self.log_weights is not None:
                s, t = extended(s, t, self.log_weights[start : start + len(for_a)])
                s, t = s[some_a], t[some_c]
                start += len(for_a)
            yield s, t

    def alone(self, dtype: torch.dtype) -> Iterator[ScorePair]:
        """The scores of the whole grid as the critics have them, without weights and null anchors."""
        for s, t in self(dtype):
            yield (s, t) if self.log_weights is None else (s[:-1], t[:-1] - t[-1])

    def exponentials(self, dtype: torch.dtype) -> Iterator[tuple[Exponentials, Exponentials]]:
        ready = self.prepared
        if ready is None or ready.blocks[0].values.dtype != dtype:
            yield from super().exponentials(dtype)
            return
        left, bank = SideScores(self.critics[0], self.a, "a", dtype), self._bank(dtype)
        read = bank.blocks(ready.cuts, self.progress, self.seal)
        for (for_a, _), block in zip(read, ready.blocks, strict=True):
            s = left(for_a, bank.unit[0])
            yield Exponentials.of(s if self.log_weights is None else torch.cat([s, s.new_zeros(1, s.shape[1])])), block

    def _bank(self, dtype: torch.dtype) -> Bank:
        """The bank, with what belongs to it alone done where that is as exact as doing it in `dtype`."""
        exact = self.bank.for_a.dtype == self.bank.for_c.dtype == dtype
        return self.bank.represented(*self.critics) if exact else self.bank


def _some(anchors: Tensor, rows: Tensor | None) -> tuple[Tensor, slice]:
    """The anchors at `rows` (None: all), and which rows to keep once a null anchor stands behind them."""
    if rows is None:
        return anchors, slice(None)
    own = rows[rows < len(anchors)]
    if not len(own):
        return anchors[:1], slice(1, None)
    return anchors[own], slice(None) if len(own) < len(rows) else slice(len(own))


class GivenScores(ScoreBlocks):
    """Similarity scores from elsewhere, as score blocks."""

    def __init__(self, ab: Tensor, cb: Tensor) -> None:
        self.ab, self.cb = ab, cb
        self.rows, self.columns, self.device = len(ab), len(cb), ab.device

    def __call__(
        self, dtype: torch.dtype, rows: Tensor | None = None, columns: Tensor | None = None
    ) -> Iterator[ScorePair]:
        ab = self.ab if rows is None else self.ab[rows]
        cb = self.cb if columns is None else self.cb[columns]
        size = block_size(len(ab) + len(cb))
        for s, t in zip(ab.split(size, 1), cb.split(size, 1), strict=True):
            yield s.to(dtype, copy=True), t.to(dtype, copy=True)
