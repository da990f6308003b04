"""Scores between two modalities that were never paired, through a bank of the modality that both were paired with."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ucl.bank import Bank
from ucl.critics import Cosine, Critic
from ucl.errors import InputError
from ucl.log_sum_exp import LogSums, ScoreBlocks, ScorePair, log_sums
from ucl.rows import as_rows

__all__ = ["Bridge", "BridgeResult", "Retrieval", "log_sum_exp_scores"]

# Below this sum of scales the tolerance of 5e-7 times it is finer than float32 products: they are made in float64.
SMALL_SCALE = 16.0
BLOCK_NUMBERS = 2**22  # scores a block holds, about: small enough for a cache, large enough for a matrix product
TILE = 2**24  # entries of the grid that `retrieve` holds at once


class Retrieval(NamedTuple):
    """The best candidates per query, best first."""

    indices: Any  # [n, k] int64
    scores: Any  # [n, k]


class Bridge:
    """The Monte Carlo bridge of Lemma 1: `log mean_i exp(f_AB(a, b_i) + f_BC(b_i, c))` over a bank of B.

    `ab` and `bc` are the critics with the scales they were trained with. With `normalize`, each critic's own
    `log mean_i exp f` is subtracted per anchor, which makes the answer a density ratio: its mean over p(b) is one.

    `dtype` ("float32" or "float64") is the precision of the answer; by default that of the inputs. With s the sum of
    both scales (unnormalised critics: the largest score; at least 1), scores are within 5e-7 s in float32 and within
    1e-12 s in float64 of the exact value. How that is certified entry by entry: see `ucl.log_sum_exp`. Scores of
    cosine critics are rounded sums of float32 products (`ucl.critics.dot_products`); other critics, whose rounding
    grows with norms instead of scores, and cosine critics of small scale are evaluated in float64 throughout.
    """

    def __init__(
        self, ab: Critic, bc: Critic, bank: Bank, *, normalize: bool = False, dtype: str | torch.dtype | None = None
    ) -> None:
        self.ab, self.bc, self.bank, self.normalize = ab, bc, bank, normalize
        self.dtype = None if dtype is None else _dtype(dtype)

    def score(self, a: Any, c: Any, *, progress: bool = True) -> "BridgeResult":
        """Score every row of `a` [n, d1] against every row of `c` [k, d2].

        NumPy arrays (and files) give NumPy arrays, tensors give tensors on the device they are on.
        """
        queries, candidates, form = self._inputs(a, c)
        with _full_precision(form.device):
            return BridgeResult._evaluate(self, queries, candidates, form, progress)

    def direct(self, a: Any, c: Any) -> Any:
        """The direct comparison [n, k] of `a` with `c` by the A-B critic, as if A and C had been trained together.

        It has a meaning only where both models embed B alike: one kind of critic and one embedding of the bank.
        """
        queries, candidates, form = self._inputs(a, c)
        if type(self.ab) is not type(self.bc):
            raise InputError(
                f"direct comparison needs one kind of critic: got {self.ab.name} and {self.bc.name}; use score()"
            )
        if not self.bank.shared:
            raise InputError(
                "direct comparison needs one space: the bank holds two embeddings of B (for_a and for_c), so the axes "
                "of A's and C's embeddings have nothing to do with each other; use score()"
            )
        with _full_precision(form.device):
            kind = type(self.ab)
            x, y = (kind.represent(v.double()) for v in (queries, candidates))
            return form.give(float(self.ab.scale) * kind.compare(x, y))

    def retrieve(self, a: Any, c: Any, k: int = 10, *, progress: bool = True) -> Retrieval:
        """The `k` best candidates of each query, without ever holding the whole grid."""
        queries, candidates, form = self._inputs(a, c)
        if not 1 <= k <= len(candidates):
            raise InputError(f"k must be between 1 and the number of candidates, {len(candidates)}: got {k}")
        width = min(len(candidates), 4096)
        height = max(1, TILE // width)
        indices, scores = [], []
        for rows in queries.split(height):
            best: tuple[Tensor, Tensor] | None = None
            for start in range(0, len(candidates), width):
                tile = self.score(rows, candidates[start : start + width], progress=progress).scores
                best = _merge_best(best, tile, start, k)
            assert best is not None
            scores.append(best[0])
            indices.append(best[1])
        return Retrieval(form.give(torch.cat(indices), keep=True), form.give(torch.cat(scores)))

    def _inputs(self, a: Any, c: Any) -> tuple[Tensor, Tensor, "_Form"]:
        """Both inputs as tensors on one device, and the form answers take."""
        rows_a, rows_c = as_rows(a, "a"), as_rows(c, "c")
        for rows, bank in ((rows_a, self.bank.for_a), (rows_c, self.bank.for_c)):
            if rows.shape[1] != bank.shape[1]:
                raise InputError(
                    f"{rows.name} and {bank.name} must have the same width: got {rows.shape[1]} and {bank.shape[1]}; "
                    "embed both with the same model"
                )
        tensors = [rows.read(0, len(rows)) for rows in (rows_a, rows_c)]
        if tensors[0].device != tensors[1].device:
            raise InputError(f"a and c must be on one device: got {tensors[0].device} and {tensors[1].device}")
        exact = torch.float64 in (rows_a.dtype, rows_c.dtype)
        dtype = self.dtype or (torch.float64 if exact else torch.float32)
        torch_in = isinstance(a, Tensor) or isinstance(c, Tensor)
        return tensors[0], tensors[1], _Form(torch_in, dtype, tensors[0].device)

    def _working_dtype(self, dtype: torch.dtype) -> torch.dtype:
        cosine = isinstance(self.ab, Cosine) and isinstance(self.bc, Cosine)
        small = float(self.ab.scale) + float(self.bc.scale) < SMALL_SCALE
        return torch.float32 if dtype == torch.float32 and cosine and not small else torch.float64


@dataclass(frozen=True)
class _Form:
    """What came in decides what goes out."""

    torch_in: bool
    dtype: torch.dtype
    device: torch.device

    def give(self, value: Tensor, keep: bool = False) -> Any:
        value = value if keep else value.to(self.dtype)
        return value if self.torch_in else value.cpu().numpy()


@dataclass(frozen=True, eq=False)
class BridgeResult:
    """Scores of a grid and what they are worth.

    Uncertainties take one more pass over the bank, made when they are first asked for.
    """

    scores: Any  # [n, k] log density ratio up to a constant
    recomputed: int  # entries the certificate sent to an exact path
    bank_size: int
    _first: LogSums
    _scores_of: "_CriticScores"
    _form: _Form
    _normalize: bool

    @classmethod
    def _evaluate(cls, bridge: Bridge, a: Tensor, c: Tensor, form: _Form, progress: bool) -> "BridgeResult":
        blocks = _CriticScores(bridge, a, c, progress)
        sums = log_sums(blocks, bridge._working_dtype(form.dtype))
        size = len(bridge.bank)
        scores = sums.pairs - np.log(size)
        if bridge.normalize:
            scores = sums.pairs + np.log(size) - sums.rows[:, None] - sums.columns
        return cls(form.give(scores), sums.recomputed, size, sums, blocks, form, bridge.normalize)

    @property
    def effective_sample_size(self) -> Any:
        """[n, k] `(sum w)^2 / sum w^2` of the weights w_i = exp(f_AB + f_BC): how many samples carry the answer."""
        return self._form.give((2 * self._first.pairs - self._second.pairs).exp().clamp(1, self.bank_size))

    @property
    def standard_error(self) -> Any:
        """[n, k] Monte Carlo standard error of each score over draws of the bank (delta method).

        NaN for a bank of one sample, which says nothing about its own spread.
        """
        relative = (self._second.pairs - 2 * self._first.pairs).exp()
        variance = (relative - 1 / self.bank_size).clamp_min(0) * (self.bank_size / max(self.bank_size - 1, 1))
        error = variance.sqrt() if self.bank_size > 1 else torch.full_like(variance, torch.nan)
        return self._form.give(error)

    @cached_property
    def _second(self) -> LogSums:
        with _full_precision(self._form.device):
            return log_sums(self._scores_of.power(2, 2), torch.float64)


class _CriticScores(ScoreBlocks):
    """The scores of two critics over a bank, block by block (`ucl.log_sum_exp.ScoreBlocks`)."""

    def __init__(self, bridge: Bridge, a: Tensor, c: Tensor, progress: bool, powers: tuple[int, int] = (1, 1)) -> None:
        self.bridge, self.a, self.c, self.progress, self.powers = bridge, a, c, progress, powers
        self.rows, self.columns, self.device = len(a), len(c), a.device

    def power(self, ab: int, bc: int) -> "_CriticScores":
        """Scores times integers: their sums are moments of the weights."""
        return _CriticScores(self.bridge, self.a, self.c, self.progress, (ab, bc))

    def __call__(
        self, dtype: torch.dtype, rows: Tensor | None = None, columns: Tensor | None = None
    ) -> Iterator[ScorePair]:
        a = self.a if rows is None else self.a[rows]
        c = self.c if columns is None else self.c[columns]
        left, right = self.bridge.ab, self.bridge.bc
        a, c = _represent(left, a, "a", dtype), _represent(right, c, "c", dtype)
        scales = [float(critic.scale) * power for critic, power in zip((left, right), self.powers, strict=True)]
        if isinstance(left, Cosine):
            a, scales[0] = a * scales[0], 1.0
        if isinstance(right, Cosine):
            c, scales[1] = c * scales[1], 1.0
        size = max(256, BLOCK_NUMBERS // (len(a) + len(c)))
        for for_a, for_c in self.bridge.bank.blocks(size, self.progress):
            for_a = _represent(left, for_a.to(self.device), "bank.for_a", dtype)
            for_c = _represent(right, for_c.to(self.device), "bank.for_c", dtype)
            yield _scaled(left.compare(a, for_a), scales[0]), _scaled(right.compare(c, for_c), scales[1])


class _GivenScores(ScoreBlocks):
    """Similarity scores from elsewhere, as score blocks."""

    def __init__(self, ab: Tensor, cb: Tensor) -> None:
        self.ab, self.cb = ab, cb
        self.rows, self.columns, self.device = len(ab), len(cb), ab.device

    def __call__(
        self, dtype: torch.dtype, rows: Tensor | None = None, columns: Tensor | None = None
    ) -> Iterator[ScorePair]:
        ab = self.ab if rows is None else self.ab[rows]
        cb = self.cb if columns is None else self.cb[columns]
        size = max(256, BLOCK_NUMBERS // (len(ab) + len(cb)))
        for start in range(0, ab.shape[1], size):
            part = slice(start, start + size)
            yield ab[:, part].to(dtype, copy=True), cb[:, part].to(dtype, copy=True)


def log_sum_exp_scores(scores_ab: Any, scores_cb: Any) -> Any:
    """`log mean_i exp(scores_ab[a, i] + scores_cb[c, i])`, [n, k], from similarity scores alone (section 6.2).

    `scores_ab` [n, M] and `scores_cb` [k, M] hold critic scores, scale included, against the same M samples of B: all
    that two black boxes have to give. Errors as in `Bridge`, with s the largest score.
    """
    ab, cb = as_rows(scores_ab, "scores_ab"), as_rows(scores_cb, "scores_cb")
    if ab.shape[1] != cb.shape[1]:
        raise InputError(
            "scores_ab and scores_cb must have a column per bank sample, the same samples: "
            f"got {ab.shape[1]} and {cb.shape[1]} columns"
        )
    x, y = ab.read(0, len(ab)), cb.read(0, len(cb))
    if x.device != y.device:
        raise InputError(f"scores_ab and scores_cb must be on one device: got {x.device} and {y.device}")
    dtype = torch.float64 if torch.float64 in (x.dtype, y.dtype) else torch.float32
    form = _Form(isinstance(scores_ab, Tensor) or isinstance(scores_cb, Tensor), dtype, x.device)
    with _full_precision(x.device):
        small = float(x.abs().max() + y.abs().max()) < SMALL_SCALE
        sums = log_sums(_GivenScores(x, y), torch.float64 if small else dtype)
    return form.give(sums.pairs - np.log(ab.shape[1]))


def _represent(critic: Critic, x: Tensor, name: str, dtype: torch.dtype) -> Float[Tensor, "n d"]:
    x = x.to(dtype)
    if isinstance(critic, Cosine):
        zero = ~x.any(1)
        if bool(zero.any()):
            row = int(zero.nonzero()[0, 0])
            raise InputError(f"{name} must hold no zero vector under the cosine critic: row {row} is zero; remove it")
    return critic.represent(x)


def _scaled(scores: Tensor, scale: float) -> Tensor:
    return scores if scale == 1 else scores.mul_(scale)


def _merge_best(best: tuple[Tensor, Tensor] | None, tile: Tensor, start: int, k: int) -> tuple[Tensor, Tensor]:
    """The best `k` of what was found so far and of a new tile of scores whose first column is candidate `start`."""
    tile = torch.as_tensor(tile)
    scores, columns = tile.topk(min(k, tile.shape[1]), dim=1)
    columns = columns + start
    if best is not None:
        scores, columns = torch.cat([best[0], scores], 1), torch.cat([best[1], columns], 1)
        scores, order = scores.topk(min(k, scores.shape[1]), dim=1)
        columns = columns.gather(1, order)
    return scores, columns


def _dtype(dtype: str | torch.dtype) -> torch.dtype:
    known = {"float32": torch.float32, "float64": torch.float64}
    name = str(dtype).removeprefix("torch.")
    if name not in known:
        raise InputError(f"dtype must be float32 or float64: got {dtype}")
    return known[name]


@contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    """Matrix products in the precision of their inputs, whatever the process allows elsewhere (TF32, autocast)."""
    allowed = torch.get_float32_matmul_precision()
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(torch.autocast(device.type, enabled=False))
        stack.callback(torch.set_float32_matmul_precision, allowed)
        torch.set_float32_matmul_precision("highest")
        yield
