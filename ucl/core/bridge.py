"""Scores between two modalities that were never paired, through a bank of the modality that both were paired with."""

import hashlib
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ucl.core.bank import Bank, represent
from ucl.core.critics import Cosine, Critic, Dot
from ucl.core.gradient import attach, critic_pairs
from ucl.core.log_sum_exp import Exponentials, LogSums, ScoreBlocks, ScorePair, log_sums
from ucl.core.readers import as_rows
from ucl.core.result import BridgeResult, Form, Moments
from ucl.errors import InputError
from ucl.files import replacing

__all__ = ["Bridge", "Candidates", "Retrieval", "log_sum_exp_scores"]

# Below this sum of scales, products are made in float64: the rounding of the scores takes 70 % of the tolerance of
# 5e-7 times the sum, and the proven bound on a float32 product, 1e-5, must fit into the rest.
SMALL_SCALE = 64.0
# Samples in a block: about as many as make 2^22 scores (small enough for a cache), at least so many that adding up the
# grid is little beside the product, at most so many that their embeddings are small beside anything else.
BLOCK_NUMBERS, BLOCK_ROWS = 2**22, (2048, 16384)
PREPARED_BLOCK = 4096  # samples in a block of prepared candidates
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
    1e-12 s in float64 of the exact value. How that is certified entry by entry: see `ucl.core.log_sum_exp`. Scores of
    cosine critics are rounded sums of float32 products (`ucl.core.critics.dot_products`); other critics, whose rounding
    grows with norms instead of scores, and cosine critics of small scale are evaluated in float64 throughout.

    Scores are differentiable with respect to tensors that require gradients: inputs, bank and scales.
    """

    def __init__(
        self, ab: Critic, bc: Critic, bank: Bank, *, normalize: bool = False, dtype: str | torch.dtype | None = None
    ) -> None:
        for name, critic in (("ab", ab), ("bc", bc)):
            if torch.as_tensor(critic.scale).numel() != 1:
                raise InputError(
                    f"{name} must have one scale: got {torch.as_tensor(critic.scale).numel()}; use one bridge each"
                )
        self.ab, self.bc, self.bank, self.normalize = ab, bc, bank, normalize
        self.dtype = None if dtype is None else _dtype(dtype)

    def score(self, a: Any, c: "Any | Candidates", *, progress: bool = True) -> BridgeResult:
        """Score every row of `a` [n, d1] against every row of `c` [k, d2], or against prepared candidates.

        NumPy arrays (and files) give NumPy arrays, tensors give tensors on the device they are on.
        """
        queries, candidates, form = self._inputs(a, c)
        blocks = _CriticScores(self, queries, candidates, progress, c if isinstance(c, Candidates) else None)
        with full_precision(form.device):
            sums = log_sums(blocks, self._working_dtype(form.dtype))
        size = _block_size(len(queries) + len(candidates))
        sums = attach(sums, *critic_pairs(self.ab, self.bc, self.bank, queries, candidates, size))
        return BridgeResult(_FreshMoments(blocks, sums, form.device), len(self.bank), form, self.normalize)

    def prepare(self, c: Any, *, progress: bool = True) -> "Candidates":
        """Do the candidates' half of the work once: a later query then costs one pass over memory.

        Holds k M numbers (float32: 2 GB for 1,000 candidates and 500,000 samples); `Candidates.save` puts them on disk.
        """
        rows, form = self._side(c, "c")
        dtype = self._working_dtype(form.dtype)
        cuts = self.bank.cuts_for(PREPARED_BLOCK)
        with full_precision(rows.device):
            scores = _SideScores(self.bc, rows, "c", dtype, reuse=False)
            blocks = [
                Exponentials.of(scores(for_c, self.bank.unit[1])) for _, for_c in self.bank.blocks(cuts, progress)
            ]
        return Candidates(rows, cuts, blocks, self._key(), not isinstance(c, Tensor))

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
        return form.give(self.ab(queries.double(), candidates.double()))

    def retrieve(self, a: Any, c: "Any | Candidates", k: int = 10, *, progress: bool = True) -> Retrieval:
        """The `k` best candidates of each query, without ever holding the whole grid."""
        queries, candidates, form = self._inputs(a, c)
        if not 1 <= k <= len(candidates):
            raise InputError(f"k must be between 1 and the number of candidates, {len(candidates)}: got {k}")
        width = len(candidates) if isinstance(c, Candidates) else min(len(candidates), 4096)
        found = []
        with torch.no_grad():
            for rows in queries.split(max(1, TILE // width)):
                best = None
                for start in range(0, len(candidates), width):
                    part = c if isinstance(c, Candidates) else candidates[start : start + width]
                    tile = torch.as_tensor(self.score(rows, part, progress=progress).scores)
                    best = _merge_best(best, tile, start, k)
                assert best is not None
                found.append(best)
        scores, indices = (torch.cat(parts) for parts in zip(*found, strict=True))
        return Retrieval(indices if form.torch_in else indices.cpu().numpy(), form.give(scores))

    def _inputs(self, a: Any, c: Any) -> tuple[Tensor, Tensor, Form]:
        """Both inputs as tensors on one device, and the form answers take."""
        queries, form_a = self._side(a, "a")
        if isinstance(c, Candidates):
            c.check(self._key())
            candidates, form_c = c.rows, Form(not c.from_numpy, c.rows.dtype, c.rows.device)
        else:
            candidates, form_c = self._side(c, "c")
        if queries.device != candidates.device:
            raise InputError(f"a and c must be on one device: got {queries.device} and {candidates.device}; use .to()")
        dtype = self.dtype or torch.promote_types(queries.dtype, candidates.dtype)
        return queries, candidates, Form(form_a.torch_in or form_c.torch_in, dtype, queries.device)

    def _side(self, x: Any, name: str) -> tuple[Tensor, Form]:
        rows, bank = as_rows(x, name), self.bank.for_a if name == "a" else self.bank.for_c
        if rows.shape[1] != bank.shape[1]:
            raise InputError(
                f"{name} and {bank.name} must have the same width: got {rows.shape[1]} and {bank.shape[1]}; "
                "embed both with the same model"
            )
        tensor = rows.read(0, len(rows))
        return tensor, Form(isinstance(x, Tensor), self.dtype or rows.dtype, tensor.device)

    def _key(self) -> str:
        """What prepared candidates depend on: the B-C critic and the bank, told by its size and its outer rows."""
        rows = [self.bank.for_c.read(i, i + 1)[0] for i in (0, len(self.bank) - 1)]
        outer = hashlib.sha256(torch.stack(rows).detach().cpu().numpy().tobytes()).hexdigest()[:16]
        return f"{self.bc.name} critic, scale {float(self.bc.scale)!r}, bank of {len(self.bank)} samples {outer}"

    def _working_dtype(self, dtype: torch.dtype) -> torch.dtype:
        cosine = isinstance(self.ab, Cosine) and isinstance(self.bc, Cosine)
        small = float(self.ab.scale) + float(self.bc.scale) < SMALL_SCALE
        return torch.float32 if dtype == torch.float32 and cosine and not small else torch.float64


class Candidates:
    """Candidates with their half of the sum done: exp(T - row maximum) for every block of one bank, and one critic."""

    def __init__(self, rows: Tensor, cuts: list[int], blocks: list[Exponentials], key: str, from_numpy: bool) -> None:
        self.rows, self.cuts, self.blocks, self.key, self.from_numpy = rows, cuts, blocks, key, from_numpy

    def __len__(self) -> int:
        return len(self.rows)

    def check(self, key: str) -> None:
        """Raise unless these candidates were prepared by the bridge `key` describes."""
        if key != self.key:
            raise InputError(
                f"candidates were prepared for another bridge: expected {key}, got {self.key}; prepare again"
            )

    def save(self, path: str | Path) -> None:
        """Write as safetensors; `load` maps the file into memory."""
        tensors = {name: torch.stack([getattr(block, name) for block in self.blocks]) for name in ("sums", "maxima")}
        tensors |= {"rows": self.rows}
        tensors |= {f"block_{i:05d}": block.values for i, block in enumerate(self.blocks)}
        tensors |= {"cuts": torch.tensor(self.cuts)}
        with replacing(path) as temporary:
            about = {"ucl-candidates": self.key, "numpy": str(self.from_numpy)}
            save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, temporary, metadata=about)

    @staticmethod
    def load(path: str | Path) -> "Candidates":
        """Open what `save` wrote, memory-mapped."""
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            if "ucl-candidates" not in about:
                raise InputError(f"{path} holds no prepared candidates: expected a file that Candidates.save wrote")
            cuts, sums, maxima = file.get_tensor("cuts").tolist(), file.get_tensor("sums"), file.get_tensor("maxima")
            values = [file.get_tensor(f"block_{i:05d}") for i in range(len(cuts))]
            blocks = [Exponentials(*block) for block in zip(values, sums, maxima, strict=True)]
            return Candidates(file.get_tensor("rows"), cuts, blocks, about["ucl-candidates"], about["numpy"] == "True")


class _SideScores:
    """One critic's scores of some anchors against blocks of a bank.

    With `reuse`, every block is written over the one before: fresh memory costs a third of a product's time.
    """

    def __init__(
        self, critic: Critic, anchors: Tensor, name: str, dtype: torch.dtype, power: int = 1, reuse: bool = True
    ) -> None:
        self.critic, self.name, self.reuse = critic, name, reuse
        self.memory: Tensor | None = None
        self.seen = 0  # samples of the bank so far
        self.scale = float(critic.scale) * power
        # Anchors are few: their norms are taken in float64, and a scale that commutes with the product goes to them.
        anchors = represent(critic, anchors.double(), name)
        if isinstance(critic, Cosine | Dot):
            anchors, self.scale = anchors * self.scale, 1.0
        self.anchors = anchors.to(dtype)

    def __call__(self, block: Tensor, unit: bool) -> Float[Tensor, "n m"]:
        name = "bank.for_a" if self.name == "a" else "bank.for_c"
        block = represent(self.critic, block.to(self.anchors), name, unit, self.seen)
        self.seen += len(block)
        size = len(self.anchors) * len(block)
        if self.reuse and (self.memory is None or len(self.memory) < size):
            self.memory = self.anchors.new_empty(size)
        out = None if self.memory is None else self.memory[:size].view(len(self.anchors), len(block))
        scores = self.critic.compare(self.anchors, block, out)
        return scores if self.scale == 1 else scores.mul_(self.scale)


class _CriticScores(ScoreBlocks):
    """The scores of two critics over a bank, block by block."""

    def __init__(
        self,
        bridge: Bridge,
        a: Tensor,
        c: Tensor,
        progress: bool,
        prepared: Candidates | None = None,
        powers: tuple[int, int] = (1, 1),
    ) -> None:
        self.bridge, self.a, self.c, self.progress = bridge, a, c, progress
        self.prepared, self.powers = prepared, powers
        self.rows, self.columns, self.device = len(a), len(c), a.device

    def power(self, p: int, q: int) -> "_CriticScores":
        """Scores times integers: their sums are moments of the weights."""
        return _CriticScores(self.bridge, self.a, self.c, self.progress, None, (p, q))

    def __call__(
        self, dtype: torch.dtype, rows: Tensor | None = None, columns: Tensor | None = None
    ) -> Iterator[ScorePair]:
        bank = self._bank(dtype)
        unit = bank.unit
        a = self.a if rows is None else self.a[rows]
        left = _SideScores(self.bridge.ab, a, "a", dtype, self.powers[0])
        c = self.c if columns is None else self.c[columns]
        right = _SideScores(self.bridge.bc, c, "c", dtype, self.powers[1])
        for for_a, for_c in bank.blocks(bank.cuts_for(_block_size(len(a) + len(c))), self.progress):
            yield left(for_a, unit[0]), right(for_c, unit[1])

    def exponentials(self, dtype: torch.dtype) -> Iterator[tuple[Exponentials, Exponentials]]:
        ready = self.prepared
        if ready is None or ready.blocks[0].values.dtype != dtype:
            yield from super().exponentials(dtype)
            return
        left, bank = _SideScores(self.bridge.ab, self.a, "a", dtype), self._bank(dtype)
        for (for_a, _), block in zip(bank.blocks(ready.cuts, self.progress), ready.blocks, strict=True):
            yield Exponentials.of(left(for_a, bank.unit[0])), block

    def _bank(self, dtype: torch.dtype) -> Bank:
        """The bank, with what belongs to it alone done where that is as exact as doing it in `dtype`."""
        bank = self.bridge.bank
        exact = bank.for_a.dtype == bank.for_c.dtype == dtype
        return bank.represented(self.bridge.ab, self.bridge.bc) if exact else bank


class _FreshMoments(Moments):
    def __init__(self, blocks: _CriticScores, first: LogSums, device: torch.device) -> None:
        self.blocks, self.device, self.known = blocks, device, {(1, 1): first}

    def get(self, p: int, q: int) -> LogSums:
        if (p, q) not in self.known:
            with full_precision(self.device):
                self.known[p, q] = log_sums(self.blocks.power(p, q), torch.float64)
        return self.known[p, q]


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
        size = _block_size(len(ab) + len(cb))
        for s, t in zip(ab.split(size, 1), cb.split(size, 1), strict=True):
            yield s.to(dtype, copy=True), t.to(dtype, copy=True)


def log_sum_exp_scores(scores_ab: Any, scores_cb: Any) -> Any:
    """`log mean_i exp(scores_ab[a, i] + scores_cb[c, i])`, [n, k], from similarity scores alone (section 6.2).

    `scores_ab` [n, M] and `scores_cb` [k, M] hold critic scores, scale included, against the same M samples of B: all
    that two black boxes have to give. Errors as in `Bridge`, with s the largest score. Differentiable.
    """
    ab, cb = as_rows(scores_ab, "scores_ab"), as_rows(scores_cb, "scores_cb")
    if ab.shape[1] != cb.shape[1]:
        raise InputError(
            "scores_ab and scores_cb must have a column per bank sample, the same samples: "
            f"got {ab.shape[1]} and {cb.shape[1]} columns"
        )
    x, y = ab.read(0, len(ab)), cb.read(0, len(cb))
    if x.device != y.device:
        raise InputError(f"scores_ab and scores_cb must be on one device: got {x.device} and {y.device}; use .to()")
    dtype = torch.promote_types(x.dtype, y.dtype)
    form = Form(isinstance(scores_ab, Tensor) or isinstance(scores_cb, Tensor), dtype, x.device)
    with full_precision(x.device):
        small = float(x.abs().max() + y.abs().max()) < SMALL_SCALE
        sums = log_sums(_GivenScores(x, y), torch.float64 if small else dtype)
    size = _block_size(len(x) + len(y))
    inputs = [*x.split(size, 1), *y.split(size, 1)]
    sums = attach(sums, inputs, lambda v: zip(v[: len(v) // 2], v[len(v) // 2 :], strict=True))
    return form.give(sums.pairs - math.log(ab.shape[1]))


def _block_size(anchors: int) -> int:
    smallest, largest = BLOCK_ROWS
    return min(largest, max(smallest, BLOCK_NUMBERS // anchors))


def _merge_best(best: tuple[Tensor, Tensor] | None, tile: Tensor, start: int, k: int) -> tuple[Tensor, Tensor]:
    """The best `k` of what was found so far and of a new tile of scores whose first column is candidate `start`."""
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
def full_precision(device: torch.device) -> Iterator[None]:
    """Matrix products in the precision of their inputs, whatever the process allows elsewhere (TF32, autocast)."""
    allowed = torch.get_float32_matmul_precision()
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(torch.autocast(device.type, enabled=False))
        stack.callback(torch.set_float32_matmul_precision, allowed)
        torch.set_float32_matmul_precision("highest")
        yield
