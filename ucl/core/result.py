"""What the bridge answers: scores, what they are worth, and how the answers of bank shards become one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ucl.core.arguments import checked_flag
from ucl.core.log_sum_exp import LogSums
from ucl.core.moments import Form, KnownMoments, MergedMoments, Moments
from ucl.core.origin import Origin, joined
from ucl.core.part_files import PartAbout, open_part, put_tile, read_about, read_sums
from ucl.core.reliability import FEWEST, carried_by_all, reliable, tail_length, warn_if_flat, warn_if_thin
from ucl.core.scores import SMALL_SCALE
from ucl.core.weights import distinct_samples
from ucl.errors import InputError
from ucl.files import replacing
from ucl.seals import seal

__all__ = ["BridgeResult", "merge"]

# Second moments that the uncertainty needs: those of products only after normalisation, (1, 1) only with weights.
PLAIN, NORMALIZED = [(2, 2)], [(2, 2), (2, 1), (1, 2)]


@dataclass(frozen=True, eq=False)
class BridgeResult:
    """Scores of a grid of n queries and k candidates over a bank of `bank_size` samples.

    With weights w_i (one, unless the bank has its own), the score is L = log sum_i w_i x_i - log sum_i w_i, where
    x_i = exp(f_AB(a, b_i) + f_BC(b_i, c)).

    **Uncertainty** counts distinct samples g, whose weight W_g is that of all rows equal to it: a bank that is repeated
    ten times knows what it knew once. With shares p_g = W_g / sum W and the weighted mean X of x, L is the log of a
    mean of independent x_g with fixed shares, so by the delta method

        Var L = Var(sum_g p_g x_g) / X^2, estimated by  sum_g p_g^2 (x_g / X - 1)^2 / (1 - sum_g p_g^2)

    (Owen 2013, section 9.2; the divisor takes out the bias of estimating X, exactly for equal shares, where this is the
    squared standard error of a mean of M numbers). Normalised scores have x_g / X - u_g / U - v_g / V + 1 in the place
    of x_g / X - 1, with u = exp f_AB and v = exp f_BC. The effective sample size is (sum_g W_g x_g)^2 / sum_g
    (W_g x_g)^2 (Kong 1992): at most the number of distinct samples. Both need only sums of W_g^2 times products of
    powers, and a sum of W_g^2 y_g over distinct samples is one of w_i W_i y_i over rows: nothing is merged, scores do
    not change, and parts of a bank add up.

    Uncertainties take one more pass over the bank (three with normalisation, one more with weights), made when they are
    first asked for; they describe the bank that was scored, and raise `ChangedError` where it has changed since.
    """

    moments: Moments
    bank_size: int
    form: Form
    normalize: bool
    origin: Origin

    def __repr__(self) -> str:
        n, k = self.moments.first.pairs.shape
        kind = "normalised scores" if self.normalize else "scores"
        return f"BridgeResult({n} x {k} {kind} over a bank of {self.bank_size} samples)"

    @cached_property
    def scores(self) -> Any:
        """[n, k] log density ratio up to a constant; differentiable."""
        sums, size = self.moments.first, math.log(self.moments.weight)
        if self.normalize:
            return self.form.give(sums.pairs + size - sums.rows[:, None] - sums.columns)
        return self.form.give(sums.pairs - size)

    @property
    def recomputed(self) -> int:
        """How many entries the certificate of the scores sent to an exact path."""
        return self.moments.first.recomputed

    @property
    def effective_sample_size(self) -> Any:
        """[n, k] how many distinct samples carry the answer: (sum w)^2 / sum w^2 of their weights in the sum."""
        with torch.no_grad():
            first, second = self.moments.first.pairs, self.moments.second(2, 2).pairs
            return self.form.give((2 * first - second).exp().clamp(1, self.bank_size))

    @cached_property
    def reliable(self) -> Any:
        """[n, k] bool, which scores can be trusted as far as the draw of the bank goes: `ucl.core.reliability`.

        Takes one pass over the bank, and M additions for every entry whose effective sample size is large enough.
        Warns, as `ThinBankWarning`, where most answers rest on one sample, else as `warn_if_flat` does. Raises
        InputError for a loaded result.
        """
        with torch.no_grad():
            n, k = self.moments.first.pairs.shape
            one, two = self.moments.first, self.moments.second(2, 2)
            effective = (2 * one.pairs - two.pairs).exp()
            thin = warn_if_thin(effective)
            found = effective >= FEWEST
            if self.normalize:
                found &= self._sound(2 * one.rows - two.rows, torch.arange(n), None)[:, None]
                found &= self._sound(2 * one.columns - two.columns, None, torch.arange(k))
            i, j = found.nonzero(as_tuple=True)
            found[i, j] = self._sound((2 * one.pairs - two.pairs)[i, j], i, j)
            if not thin:
                self.warn_if_flat()
            return found if self.form.torch_in else found.cpu().numpy()

    def warn_if_flat(self) -> bool:
        """Warn, as `FlatBankWarning`, where a scale looks like a logarithm: nearly the whole bank is in every answer.

        Needs the pass over the bank of the effective sample sizes. Returns whether it did.
        """
        one, two = self.moments.first, self.moments.second(2, 2)
        logs = (2 * one.rows - two.rows, 2 * one.columns - two.columns)
        distinct = distinct_samples(self.moments.weight, self.moments.squared_weight)
        rows, columns = (carried_by_all(own.detach().exp(), distinct) for own in logs)
        return warn_if_flat((self.origin.ab, self.origin.bc), (rows, columns))

    def _sound(
        self, log_effective: Float[Tensor, " f"], i: Int[Tensor, " f"] | None, j: Int[Tensor, " _f"] | None
    ) -> Bool[Tensor, " f"]:
        largest = self.moments.largest(i, j, tail_length(self.bank_size) + 1)
        return reliable(log_effective.exp(), largest, self.bank_size)

    @property
    def standard_error(self) -> Any:
        """[n, k] Monte Carlo standard error of each score over draws of the bank (delta method).

        NaN for a bank of one distinct sample, which says nothing about its own spread. Where it is so small a part of
        the sums it comes from that their rounding would show, it is summed over the bank again, sample by sample; a
        loaded or merged result, which has no bank, has NaN there. An error below 1e-14 is float64's own rounding.
        """
        with torch.no_grad():
            samples = distinct_samples(self.moments.weight, self.moments.squared_weight)
            variance, gross = self._variance()
            if samples <= 1 + 1e-9:
                return self.form.give(torch.full_like(variance, torch.nan))
            errors = (variance / (samples - 1)).sqrt()
            i, j = (variance < self._rounding() * gross).nonzero(as_tuple=True)
            if len(i):
                errors[i, j] = self.moments.errors(i, j, self.normalize)
            return self.form.give(errors)

    def _rounding(self) -> float:
        """The share of the terms of a variance below which it is in doubt: where float32 products may have gone in."""
        (ab, one), (bc, other) = self.origin.ab, self.origin.bc
        single = self.form.dtype == torch.float32 and ab == bc == "cosine" and one + other >= SMALL_SCALE
        first = self.moments.first
        largest = max(float(sums.abs().max()) for sums in (first.pairs, first.rows, first.columns))
        return max(1e-3 if single else 1e-8, 2e-12 * largest)  # a logarithm is off by its own last digit

    def _variance(self) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]:
        """Variance over samples of what one of them adds to the score, with shares p^2 / sum p^2; and its squares.

        The squares are what it is left of: where it is much less than they are, it is their rounding.
        """
        size = 2 * math.log(self.moments.weight) - math.log(self.moments.squared_weight)
        one, two = self.moments.first, self.moments.second(2, 2)
        gross = (two.pairs - 2 * one.pairs + size).exp()
        square = gross.clone()
        if self.normalize:
            cross = self.moments.second(1, 1).pairs
            left, right = self.moments.second(2, 1).pairs, self.moments.second(1, 2).pairs
            gross += (two.rows - 2 * one.rows + size).exp()[:, None] + (two.columns - 2 * one.columns + size).exp()
            square = gross - 2 * (left - one.pairs - one.rows[:, None] + size).exp()
            square -= 2 * (right - one.pairs - one.columns + size).exp()
            square += 2 * (cross - one.rows[:, None] - one.columns + size).exp()
        return (square - self._linear(size)).clamp_min(0), gross

    def _linear(self, size: float) -> Float[Tensor, "n k"] | float:
        """What the terms that are not squares take off: one, where all samples weigh the same."""
        if self.moments.alike:
            return 1.0
        one, both = self.moments.first, self.moments.second(1, 1)
        size -= math.log(self.moments.weight)
        pairs = 2 * (both.pairs - one.pairs + size).exp()
        if not self.normalize:
            return pairs - 1
        rows, columns = ((getattr(both, n) - getattr(one, n) + size).exp() for n in ("rows", "columns"))
        return 2 * (rows[:, None] + columns) - pairs - 1

    def with_normalization(self, normalize: bool) -> "BridgeResult":
        """The same answer with or without per-anchor normalisation; nothing is evaluated again.

        Raises InputError where this result was loaded and its file does not hold what the errors of the other need.
        """
        self.moments.require(_needed(checked_flag(normalize, "normalize")))
        return replace(self, normalize=normalize)

    def save(self, path: str | Path, *, errors: bool = True) -> None:
        """Write what a merge needs as safetensors: how a shard's answer travels between machines.

        Without `errors` the scores alone: a third of the size or less, and no more passes over the bank.
        """
        kept = self.kept(errors)
        with replacing(path) as temporary:
            with open_part(temporary, self.about(errors), kept, len(kept["first"].rows)) as file:
                put_tile(file, kept)
            seal(temporary)

    def kept(self, errors: bool) -> dict[str, LogSums]:
        """The sums that a file holds, by their names in it."""
        needed = [*_needed(self.normalize), *([] if self.moments.alike else [(1, 1)])] if errors else []
        return {"first": self.moments.first} | {f"second_{p}{q}": self.moments.second(p, q) for p, q in needed}

    def about(self, errors: bool) -> PartAbout:
        """What a file says beside them."""
        squared = self.moments.squared_weight if errors else None
        dtype = str(self.form.dtype).removeprefix("torch.")
        return PartAbout(
            self.bank_size, self.moments.weight, squared, self.normalize, dtype, self.form.torch_in, self.origin
        )

    @staticmethod
    def load(path: str | Path) -> "BridgeResult":
        """Read what `save` wrote; InputError where a byte of it has changed."""
        about, names = read_about(path)
        first = read_sums(path, "first")
        second = {(int(name[-2]), int(name[-1])): read_sums(path, name) for name in names if name != "first"}
        moments = KnownMoments(first, second, about.weight, about.squared_weight)
        moments.require(_needed(about.normalize))
        return BridgeResult(moments, about.bank_size, about.form, about.normalize, about.origin)


def _needed(normalize: bool) -> list[tuple[int, int]]:
    return NORMALIZED if normalize else PLAIN


def merge(results: Sequence[BridgeResult]) -> BridgeResult:
    """The answer of the whole bank from the answers of its parts, for one grid of queries and candidates.

    Parts are shards of one bank (all of them), ranges of one bank that do not overlap (`Bank.between`), or banks of
    their own, each once. Anything else raises InputError: a part twice, a shard too few, another bank, other queries,
    candidates, critics or scales. Repeats are known across shards; ranges and banks know only their own.
    Fingerprints of a bank on a GPU differ from those on a CPU: score all parts on one kind of device.
    """
    if not results:
        raise InputError("merge needs at least one result: got none")
    first = results[0]
    shapes = {tuple(result.moments.first.pairs.shape) for result in results}
    if len(shapes) > 1 or len({result.normalize for result in results}) > 1:
        raise InputError(
            f"results to merge must be of one grid and one bridge: got grids {sorted(shapes)}; score the same inputs"
        )
    origin = joined([result.origin for result in results])
    size = sum(result.bank_size for result in results)
    moments = MergedMoments([result.moments for result in results])
    return BridgeResult(moments, size, first.form, first.normalize, origin)
