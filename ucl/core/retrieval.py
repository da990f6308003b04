"""The best candidates of each query, with what their scores are worth."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Retrieval", "merge_best"]


@dataclass(frozen=True, eq=False)
class Retrieval:
    """The k best candidates of each of n queries, best first; arrays or tensors like the inputs.

    `reliable` is the rule of `ucl.core.reliability`; a score that is not may be right, but its error does not say so.
    """

    indices: Any  # [n, k] int64, rows of the candidates
    scores: Any  # [n, k]
    standard_errors: Any  # [n, k] of the scores over draws of the bank
    effective_samples: Any  # [n, k] how many distinct samples of the bank carry each score
    reliable: Any  # [n, k] bool
    ids: Any = None  # [n, k] what the candidates' file calls them, an array of objects; None where it does not

    def __repr__(self) -> str:
        n, k = self.indices.shape
        share = float(self.reliable.sum()) / (n * k)
        named = "" if self.ids is None else ", with ids"
        return f"Retrieval({k} best candidates of {n} queries{named}, {share:.0%} of answers reliable)"

    def cpu(self) -> "Retrieval":
        """The same as tensors on the CPU."""
        names = ("indices", "scores", "standard_errors", "effective_samples", "reliable")
        return Retrieval(**{name: torch.as_tensor(getattr(self, name)).cpu() for name in names}, ids=self.ids)


def merge_best(best: tuple[Tensor, Tensor] | None, tile: Tensor, start: int, k: int) -> tuple[Tensor, Tensor]:
    """The best `k` of what was found so far and of a new tile of scores whose first column is candidate `start`."""
    scores, columns = _top(tile, k)
    columns = columns + start
    if best is not None:  # what was found first has the smaller indices
        scores, order = _top(torch.cat([best[0], scores], 1), k)
        columns = torch.cat([best[1], columns], 1).gather(1, order)
    return scores, columns


def _top(scores: Float[Tensor, "n m"], k: int) -> tuple[Float[Tensor, "n k"], Int[Tensor, "n k"]]:
    """The `k` largest of each row (all, if fewer), equal ones by index: `topk`, but for ties that it may cut apart."""
    k = min(k, scores.shape[1])
    values, columns = scores.topk(k, dim=1)
    last = values[:, -1:]
    cut = ((scores == last).sum(1) > (values == last).sum(1)).nonzero()[:, 0]
    if len(cut):
        columns[cut] = scores[cut].sort(dim=1, descending=True, stable=True).indices[:, :k]
    columns = columns.sort(dim=1).values
    values, order = scores.gather(1, columns).sort(dim=1, descending=True, stable=True)
    return values, columns.gather(1, order)
