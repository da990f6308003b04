"""Scores between two modalities that were never paired, through a bank of the modality that both were paired with."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ucl.core.arguments import check_count, checked_dtype, checked_flag, checked_tolerance
from ucl.core.bank import Bank
from ucl.core.barycentre import barycentres
from ucl.core.candidates import Candidates
from ucl.core.critics import CRITICS, Critic, check_critic, described, represent
from ucl.core.explanation import Explanation, explain_pairs
from ucl.core.fingerprint import Seal, fingerprint
from ucl.core.gradient import attach, critic_pairs
from ucl.core.log_sum_exp import Exponentials, LogSums, log_sums
from ucl.core.moments import Anchors, Form, Moments
from ucl.core.origin import Origin
from ucl.core.precision import full_precision
from ucl.core.pruned import PrunedResult, Pruning
from ucl.core.readers import Rows, as_rows, check_columns, check_width
from ucl.core.reliability import EntryTrust, largest_weights, trust_entries, warn_if_flat, warn_if_thin
from ucl.core.result import BridgeResult
from ucl.core.retrieval import Retrieval, merge_best
from ucl.core.scores import (
    SMALL_SCALE,
    CriticScores,
    GivenScores,
    SideScores,
    block_size,
    extended,
    without_null,
    working_dtype,
)
from ucl.errors import InputError

__all__ = ["Bridge", "Candidates", "Explanation", "Retrieval", "log_sum_exp_scores"]

PREPARED_BLOCK = 4096  # samples in a block of prepared candidates
Sides = tuple[Bool[Tensor, " _n"], Bool[Tensor, " _k"]]
TILE = 2**24  # entries of the grid that `retrieve` holds at once


class Bridge:
    """The Monte Carlo bridge of Lemma 1: `log mean_i exp(f_AB(a, b_i) + f_BC(b_i, c))` over a bank of B.

    `ab` and `bc` are the critics with the scales they were trained with. With `normalize`, each critic's own
    `log mean_i exp f` is subtracted per anchor, which makes the answer a density ratio: its mean over p(b) is one. That
    is the default because it retrieves better (docs/normalise.md); False is the formula above as the paper has it.

    `dtype` ("float32" or "float64") is the precision of the answer; by default that of the inputs. With s the sum of
    both scales (unnormalised critics: the largest score; at least 1), scores are within 5e-7 s in float32 and within
    1e-12 s in float64 of the exact value. How that is certified entry by entry: see `ucl.core.log_sum_exp`. Scores of
    cosine critics are float32 products, whose share in the 5e-7 is checked where they are largest and proven only up to
    1.1e-5 (`ucl.core.spot_check`); other critics, whose rounding grows with norms instead of scores, weighted banks,
    rows wider than 4,096 and cosine critics of small scale are evaluated in float64 throughout. Scores that leave the
    range of the precision raise InputError.

    Scores are differentiable with respect to tensors that require gradients: inputs, bank and scales.
    """

    def __init__(
        self, ab: Any, bc: Any, bank: Any, *, normalize: bool = True, dtype: str | torch.dtype | None = None
    ) -> None:
        for name, critic in (("ab", ab), ("bc", bc)):
            check_critic(critic, name)
        if not isinstance(bank, Bank):
            raise InputError(f"bank must be a Bank: got {described(bank)}; use Bank(for_a, for_c)")
        bank.check_critics(ab, bc)
        self.ab: Critic = ab
        self.bc: Critic = bc
        self.bank: Bank = bank
        self.normalize = checked_flag(normalize, "normalize")
        self._warned = False  # of answers that rest on one sample, or on all of them
        self.dtype = None if dtype is None else checked_dtype(dtype)

    @classmethod
    def of(cls, bank: Bank, *, normalize: bool = True, dtype: str | torch.dtype | None = None) -> "Bridge":
        """The bridge that a prepared bank was prepared for: it knows its critics and their scales."""
        if bank.critics is None:
            raise InputError("only a prepared bank knows its critics: got one that is not; use Bridge(ab, bc, bank)")
        ab, bc = (CRITICS[kind](scale) for kind, scale in bank.critics)
        return cls(ab, bc, bank, normalize=normalize, dtype=dtype)

    def __repr__(self) -> str:
        kind = ", normalised" if self.normalize else ""
        sides = ", ".join(f"{critic.name} of scale {critic.number:g}" for critic in (self.ab, self.bc))
        return f"Bridge({sides}, {self.bank}{kind})"

    def score(self, a: Any, c: "Any | Candidates", *, progress: bool = True, tolerance: float = 0.0) -> Any:
        """Score every row of `a` [n, d1] against every row of `c` [k, d2], or against prepared candidates.

        NumPy arrays (and files) give NumPy arrays, tensors give tensors on the device they are on. Queries are copied:
        they may change before the result's errors are read. The bank is not: see `Bank`.

        With a `tolerance` in nats above 0 the answer is a `PrunedResult`: one pass over the bank for one side, then the
        samples that matter to each row of the other, every score with a proven bound below the tolerance
        (`ucl.core.pruned`); without gradients or errors.
        """
        if not isinstance(tolerance, int | float | np.number) or tolerance != 0:
            return self._pruned(a, c, tolerance)
        queries, candidates, form = self._inputs(a, c)
        ready = c if isinstance(c, Candidates) else None
        blocks = CriticScores((self.ab, self.bc), self.bank, queries, candidates, progress, ready)
        with full_precision(form.device):
            sums = log_sums(blocks, self._working_dtype(form.dtype))
        assert blocks.seal.mark is not None
        if ready is not None:
            ready.check(self._key(blocks.seal.mark))
        sums = attach(sums, *critic_pairs(blocks, self.ab, self.bc, queries, candidates))
        if blocks.log_weights is not None:
            sums = without_null(sums)
        pieces = (self.bank.piece(blocks.seal.mark),)
        origin = Origin(fingerprint(blocks.a), fingerprint(blocks.c), *self._kinds, pieces)
        return BridgeResult(_FreshMoments(blocks, sums), len(self.bank), form, self.normalize, origin)

    def prepare(self, c: Any, *, progress: bool = True) -> Candidates:
        """Do the candidates' half of the work once: a later query then costs one pass over memory.

        Holds k M numbers (float32: 2 GB for 1,000 candidates and 500,000 samples); `Candidates.save` puts them on disk.
        They hold for this bank as it is: scored with another, or after a change in place, they are refused.
        """
        rows, form = self._side(c, "c")
        if rows.requires_grad:
            raise InputError(
                "prepared candidates are fixed numbers: got a tensor that requires gradients; .detach() it"
            )
        dtype, rows = self._working_dtype(form.dtype), rows.clone()
        cuts, seal, start, blocks = self.bank.cuts_for(PREPARED_BLOCK), Seal(), 0, []
        log_weights = self.bank.log_weights()
        with full_precision(rows.device):
            scores = SideScores(self.bc, rows, "c", dtype, reuse=False)
            for _, for_c in self.bank.blocks(cuts, progress, seal):
                t = scores(for_c, self.bank.unit[1])
                if log_weights is not None:
                    _, t = extended(t[:0], t, log_weights[start : start + len(for_c)])
                    start += len(for_c)
                blocks.append(Exponentials.of(t))
        assert seal.mark is not None
        return Candidates(rows, cuts, blocks, self._key(seal.mark), not isinstance(c, Tensor))

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
        x, y = (v.double() for v in (queries, candidates))
        for side, name in ((x, "a"), (y, "c")):
            represent(self.ab, side.detach(), name)
        scores = self.ab(self.ab.within_range(x), self.ab.within_range(y))
        if not bool(torch.isfinite(scores).all()):
            raise InputError("scores of a and c leave the range of float64: rescale the embeddings, and the scale too")
        return form.give(scores)

    def retrieve(self, a: Any, c: "Any | Candidates", k: int = 10, *, progress: bool = True) -> Retrieval:
        """The `k` best candidates of each query and what their scores are worth, without ever holding the whole grid.

        Warns once, as `ThinBankWarning`, where most answers rest on one sample, and, as `FlatBankWarning`, where
        scores are normalised and a scale looks like a logarithm: nearly the whole bank is in every answer. What answers
        are worth takes one pass over the bank more, n k M exponentials.
        """
        queries, candidates, form = self._inputs(a, c)
        check_count(k, "k", len(candidates), "candidates")
        width = len(candidates) if isinstance(c, Candidates) else min(len(candidates), 4096)
        found = []
        with torch.no_grad():
            for rows in queries.split(max(1, TILE // width)):
                found.append(self._best(rows, c if isinstance(c, Candidates) else candidates, width, k, progress))
        parts = [torch.cat(part) for part in zip(*(own for own, _ in found), strict=True)]
        scores, indices, errors, effective, sound = parts
        if not self._warned:
            self._warned = warn_if_thin(effective) or warn_if_flat(self._kinds, _joined([whole for _, whole in found]))
        plain = [indices, sound] if form.torch_in else [part.cpu().numpy() for part in (indices, sound)]
        numbers = [form.give(part) for part in (scores, errors, effective)]
        return Retrieval(plain[0], numbers[0], numbers[1], numbers[2], plain[1], _named(c, indices))

    def explain(self, a: Any, c: Any, top: int = 10) -> Explanation:
        """The `top` samples of the bank that carry the score of one pair: a row `a` [d1] and a row `c` [d2].

        A matrix of one row will do as well.
        """
        found = self.explain_each(a, c[None] if getattr(c, "ndim", 2) == 1 else c, top)
        if len(found) != 1:
            raise InputError(f"explain takes one pair: got 1 and {len(found)} rows; give a[i] and c[j]")
        return found[0]

    def explain_each(self, a: Any, c: Any, top: int = 10) -> list[Explanation]:
        """`explain` for one query `a` [d1] and each of the candidates `c` [k, d2], in one pass over the bank."""
        queries, candidates, _ = self._inputs(a[None] if getattr(a, "ndim", 2) == 1 else a, c)
        if len(queries) != 1:
            raise InputError(f"explain takes one query: got {len(queries)} rows; give a[i]")
        check_count(top, "top", len(self.bank), "samples")
        with full_precision(queries.device):
            return explain_pairs((self.ab, self.bc), self.bank, queries.detach(), candidates.detach(), top)

    def _best(
        self, rows: Tensor, c: "Tensor | Candidates", width: int, k: int, progress: bool
    ) -> tuple[tuple[Tensor, ...], Sides | None]:
        """Scores, indices, standard errors, effective samples and reliability of some queries' best, [n, k] each, and
        which queries and candidates have the whole bank in them."""
        best, columns, candidates = None, [], c.rows if isinstance(c, Candidates) else c
        for start in range(0, len(candidates), width):
            result = self.score(rows, c if isinstance(c, Candidates) else c[start : start + width], progress=progress)
            best = merge_best(best, torch.as_tensor(result.scores), start, k)
            columns.append(result.moments.first.columns)
        assert best is not None
        assert isinstance(result.moments, _FreshMoments)
        anchors, seal = (result.moments.first.rows, torch.cat(columns)), result.moments.blocks.seal
        trust = self._trust(rows, candidates, best, anchors, seal)
        worth = (trust.standard_errors, trust.effective_samples, trust.reliable)
        return (*best, *(value.view(best[0].shape) for value in worth)), trust.whole

    def _trust(
        self,
        rows: Tensor,
        candidates: Tensor,
        best: tuple[Tensor, Tensor],
        anchors: tuple[Tensor, Tensor],
        seal: Seal,
    ) -> EntryTrust:
        """What the best entries are worth; `anchors` are the log sums of queries and of candidates alone."""
        size = math.log(self.bank.total_weight())
        i = torch.arange(len(rows), device=rows.device).repeat_interleave(best[1].shape[1])
        chosen, j = best[1].flatten().unique(return_inverse=True)
        own, theirs = anchors[0], anchors[1][chosen]
        pairs = best[0].flatten().double() + (own[i] + theirs[j] - size if self.normalize else size)
        sides = (own, theirs) if self.normalize else (None, None)
        blocks = CriticScores((self.ab, self.bc), self.bank, rows, candidates[chosen], False)
        blocks.seal = seal
        with full_precision(rows.device):
            return trust_entries(blocks, (i, j), (pairs, *sides))

    def pruning(self, tolerance: float, *, flip: bool = False) -> Pruning:
        """What `score(..., tolerance)` uses, to be kept for many queries; the bank must not change meanwhile."""
        return Pruning(self.ab, self.bc, self.bank, checked_tolerance(tolerance), self.normalize, flip)

    def _pruned(self, a: Any, c: Any, tolerance: float) -> PrunedResult:
        """Samples are taken in the order of the sharper side, whose few heavy ones matter to every row of the other."""
        flip = type(self.ab) is type(self.bc) and self.bc.number > self.ab.number
        pruning = self.pruning(tolerance, flip=flip)
        queries, candidates, form = self._inputs(a, c)
        rows, others = (candidates, queries) if flip else (queries, candidates)
        with full_precision(form.device):
            ready = pruning.ready(others, pruning.survey(others))
            found = [pruning.score(row, ready) for row in rows.split(1)]
        grids = (torch.stack(grid) for grid in zip(*found, strict=True))
        scores, bounds, samples = (grid.T if flip else grid for grid in grids)
        counts = samples if form.torch_in else samples.cpu().numpy()
        return PrunedResult(form.give(scores), form.give(bounds), counts, len(self.bank))

    def query_vectors(self, a: Any) -> Any:
        """Vectors [n, d2] to ask an index of C that exists already: the bank's mean seen from C (the barycentre).

        The mean over the bank of what the B-C model makes of it (of norm one for a cosine critic), weighted by
        softmax_i f_AB(a, b_i) and the bank's weights. Rerank what the index finds by `score`.
        """
        queries, form = self._side(a, "a")
        with full_precision(queries.device):
            return form.give(barycentres(self.ab, self.bc, self.bank, queries))

    def _inputs(self, a: Any, c: Any) -> tuple[Tensor, Tensor, Form]:
        """Both inputs as tensors on one device, and the form answers take."""
        queries, form_a = self._side(a, "a")
        if isinstance(c, Candidates):
            if self.bank.in_memory or self.bank.digest is not None:
                c.check(self.candidates_key())
            candidates, form_c = c.rows, Form(not c.from_numpy, c.rows.dtype, c.rows.device)
        else:
            candidates, form_c = self._side(c, "c")
        if queries.device != candidates.device:
            raise InputError(f"a and c must be on one device: got {queries.device} and {candidates.device}; use .to()")
        dtype = self.dtype or torch.promote_types(queries.dtype, candidates.dtype)
        return queries, candidates, Form(form_a.torch_in or form_c.torch_in, dtype, queries.device)

    def _side(self, x: Any, name: str) -> tuple[Tensor, Form]:
        rows = as_rows(x, name)
        check_width(rows.shape[1], name, (self.bank.for_a, self.bank.for_c))
        check_columns(rows, self.bank.for_a if name == "a" else self.bank.for_c)
        tensor = rows.read(0, len(rows))
        return tensor, Form(isinstance(x, Tensor), self.dtype or rows.dtype, tensor.device)

    def candidates_key(self) -> str:
        """What numbers kept per candidate depend on: the B-C critic, and the bank by its fingerprint."""
        return self._key(self.bank.fingerprint())

    def _key(self, mark: str) -> str:
        """What prepared candidates depend on: the B-C critic, and the bank by its fingerprint."""
        return f"{self.bc.name} critic, scale {self.bc.number!r}, bank of {len(self.bank)} samples {mark}"

    @property
    def _kinds(self) -> tuple[tuple[str, float], tuple[str, float]]:
        return (self.ab.name, self.ab.number), (self.bc.name, self.bc.number)

    def _working_dtype(self, dtype: torch.dtype) -> torch.dtype:
        return working_dtype(self.ab, self.bc, self.bank, dtype)


class _FreshMoments(Moments):
    def __init__(self, blocks: CriticScores, first: LogSums) -> None:
        self.blocks, self.first = blocks, first
        self.weight = blocks.bank.total_weight()
        self.known: dict[tuple[int, int], LogSums] = {}

    @property
    def squared_weight(self) -> float:
        return self.blocks.bank.squared_weight(self.blocks.seal)

    @property
    def alike(self) -> bool:
        return self.blocks.bank.pooled(self.blocks.seal) is None

    def second(self, p: int, q: int) -> LogSums:
        if (p, q) == (1, 1) and self.alike:
            return self.first
        if (p, q) not in self.known:
            blocks = self.blocks.moment(p, q)
            with full_precision(blocks.device):
                sums = log_sums(blocks, torch.float64)
            self.known[p, q] = sums if blocks.log_weights is None else without_null(sums)
        return self.known[p, q]

    def errors(self, i: Int[Tensor, " f"], j: Int[Tensor, " f"], normalize: bool) -> Float[Tensor, " f"]:
        sides = (self.first.rows, self.first.columns) if normalize else (None, None)
        with full_precision(self.blocks.device):
            return trust_entries(self.blocks, (i, j), (self.first.pairs[i, j], *sides)).standard_errors

    def largest(self, i: Anchors, j: Anchors, count: int) -> Float[Tensor, "f _"]:
        with full_precision(self.blocks.device):
            return largest_weights(self.blocks, i, j, count)


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
    check_columns(ab, cb)
    x, y = ab.read(0, len(ab)), cb.read(0, len(cb))
    if x.device != y.device:
        raise InputError(f"scores_ab and scores_cb must be on one device: got {x.device} and {y.device}; use .to()")
    dtype = torch.promote_types(x.dtype, y.dtype)
    form = Form(isinstance(scores_ab, Tensor) or isinstance(scores_cb, Tensor), dtype, x.device)
    with full_precision(x.device):
        small = float(x.abs().max()) + float(y.abs().max()) < SMALL_SCALE
        sums = log_sums(GivenScores(x, y), torch.float64 if small else dtype)
    size = block_size(len(x) + len(y))
    inputs = [*x.split(size, 1), *y.split(size, 1)]
    sums = attach(sums, inputs, lambda v: zip(v[: len(v) // 2], v[len(v) // 2 :], strict=True))
    return form.give(sums.pairs - math.log(ab.shape[1]))


def _joined(whole: list[Sides | None]) -> Sides | None:
    sides = [own for own in whole if own is not None]
    return (torch.cat([own[0] for own in sides]), torch.cat([own[1] for own in sides])) if sides else None


def _named(c: Any, indices: Int[Tensor, "n k"]) -> Any:
    """The ids of the best candidates, where they come from a file that has ids."""
    ids = as_rows(c, "c").ids() if isinstance(c, str | Path | Rows) else None
    return None if ids is None else np.array(ids.to_pylist(), dtype=object)[indices.cpu().numpy()]
