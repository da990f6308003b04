"""What the bridge answers: scores, what they are worth, and how the answers of bank shards become one."""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ucl.core.log_sum_exp import LogSums
from ucl.errors import InputError
from ucl.files import replacing

__all__ = ["BridgeResult", "Form", "Moments", "merge"]

# Moments E[exp(p S + q T)] that the scores and their uncertainty need; the mixed ones only after normalisation.
NAMES = ("pairs", "rows", "columns")
PLAIN, NORMALIZED = [(1, 1), (2, 2)], [(1, 1), (2, 2), (2, 1), (1, 2)]


@dataclass(frozen=True)
class Form:
    """What came in decides what goes out: NumPy or torch, the precision, the device."""

    torch_in: bool
    dtype: torch.dtype
    device: torch.device

    def give(self, value: Tensor) -> Any:
        value = value.to(self.dtype)
        return value if self.torch_in else value.detach().cpu().numpy()


class Moments(ABC):
    """log sum_i exp(p S_ai + q T_ci) of a grid for small powers p and q."""

    @abstractmethod
    def get(self, p: int, q: int) -> LogSums:
        """The sums for powers `p` and `q`; (1, 1) is at hand, others may take a pass over the bank."""


@dataclass(frozen=True, eq=False)
class BridgeResult:
    """Scores of a grid of n queries and k candidates over a bank.

    Uncertainties take one more pass over the bank (three with normalisation), made when they are first asked for.
    """

    moments: Moments
    bank_size: int
    form: Form
    normalize: bool

    @cached_property
    def scores(self) -> Any:
        """[n, k] log density ratio up to a constant; differentiable."""
        sums, size = self.moments.get(1, 1), math.log(self.bank_size)
        if self.normalize:
            return self.form.give(sums.pairs + size - sums.rows[:, None] - sums.columns)
        return self.form.give(sums.pairs - size)

    @property
    def recomputed(self) -> int:
        """How many entries the certificate of the scores sent to an exact path."""
        return self.moments.get(1, 1).recomputed

    @property
    def effective_sample_size(self) -> Any:
        """[n, k] (sum w)^2 / sum w^2 of the weights w_i = exp(f_AB + f_BC): how many samples carry the answer."""
        with torch.no_grad():
            first, second = self.moments.get(1, 1).pairs, self.moments.get(2, 2).pairs
            return self.form.give((2 * first - second).exp().clamp(1, self.bank_size))

    @property
    def standard_error(self) -> Any:
        """[n, k] Monte Carlo standard error of each score over draws of the bank (delta method).

        NaN for a bank of one sample, which says nothing about its own spread.
        """
        with torch.no_grad():
            variance = self._variance() / max(self.bank_size - 1, 1)
            return self.form.give(variance.sqrt() if self.bank_size > 1 else torch.full_like(variance, torch.nan))

    def _variance(self) -> Float[Tensor, "n k"]:
        """Variance over samples of what one of them adds to the score.

        That is w / E w, and after normalisation w / E w - u / E u - v / E v with u = exp S, v = exp T, w = u v.
        """
        size = math.log(self.bank_size)
        one, two = (self.moments.get(p, p) for p in (1, 2))
        square = (two.pairs - 2 * one.pairs + size).exp()
        if not self.normalize:
            return (square - 1).clamp_min(0)
        left, right = self.moments.get(2, 1).pairs, self.moments.get(1, 2).pairs
        square += (two.rows - 2 * one.rows + size).exp()[:, None] + (two.columns - 2 * one.columns + size).exp()
        square -= 2 * (left - one.pairs - one.rows[:, None] + size).exp()
        square -= 2 * (right - one.pairs - one.columns + size).exp()
        square += 2 * (one.pairs - one.rows[:, None] - one.columns + size).exp()
        return (square - 1).clamp_min(0)

    def with_normalization(self, normalize: bool) -> "BridgeResult":
        """The same answer with or without per-anchor normalisation; nothing is evaluated again."""
        return replace(self, normalize=normalize)

    def save(self, path: str | Path) -> None:
        """Write everything a merge needs as safetensors: how a shard's answer travels between machines."""
        tensors = {}
        for p, q in NORMALIZED if self.normalize else PLAIN:
            sums = self.moments.get(p, q)
            for name in NAMES:
                tensors[f"{name}_{p}{q}"] = getattr(sums, name).detach().cpu().contiguous()
        about: dict[str, Any] = {
            "bank_size": self.bank_size,
            "normalize": self.normalize,
            "recomputed": self.recomputed,
        }
        about |= {"dtype": str(self.form.dtype).removeprefix("torch."), "torch_in": self.form.torch_in}
        with replacing(path) as temporary:
            save_file(tensors, temporary, metadata={"ucl-result": json.dumps(about)})

    @staticmethod
    def load(path: str | Path) -> "BridgeResult":
        """Read what `save` wrote."""
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("ucl-result")
            if text is None:
                raise InputError(f"{path} holds no bridge result: expected a file that BridgeResult.save wrote")
            about = json.loads(text)
            known = {
                (p, q): LogSums(**{n: file.get_tensor(f"{n}_{p}{q}") for n in NAMES}, recomputed=about["recomputed"])
                for p, q in (NORMALIZED if about["normalize"] else PLAIN)
            }
        form = Form(about["torch_in"], getattr(torch, about["dtype"]), torch.device("cpu"))
        return BridgeResult(_KnownMoments(known), about["bank_size"], form, about["normalize"])


def merge(results: Sequence[BridgeResult]) -> BridgeResult:
    """The answer of the whole bank from the answers of its shards, for one grid of queries and candidates."""
    if not results:
        raise InputError("merge needs at least one result: got none")
    first = results[0]
    shapes = {tuple(result.moments.get(1, 1).pairs.shape) for result in results}
    if len(shapes) > 1 or len({result.normalize for result in results}) > 1:
        raise InputError(
            f"results to merge must be of one grid and one bridge: got grids {sorted(shapes)}; score the same inputs"
        )
    size = sum(result.bank_size for result in results)
    return BridgeResult(_MergedMoments([result.moments for result in results]), size, first.form, first.normalize)


class _KnownMoments(Moments):
    def __init__(self, known: dict[tuple[int, int], LogSums]) -> None:
        self.known = known

    def get(self, p: int, q: int) -> LogSums:
        return self.known[p, q]


class _MergedMoments(Moments):
    def __init__(self, parts: list[Moments]) -> None:
        self.parts = parts
        self.known: dict[tuple[int, int], LogSums] = {}

    def get(self, p: int, q: int) -> LogSums:
        if (p, q) not in self.known:
            self.known[p, q] = reduce(_add, (part.get(p, q) for part in self.parts))
        return self.known[p, q]


def _add(x: LogSums, y: LogSums) -> LogSums:
    sums = {name: torch.logaddexp(getattr(x, name), getattr(y, name)) for name in NAMES}
    return LogSums(**sums, recomputed=x.recomputed + y.recomputed)
