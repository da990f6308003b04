"""The exact bridge's order of what an index found."""

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ucl.core.bridge import Bridge
from ucl.core.precision import full_precision
from ucl.core.readers import Rows

__all__ = ["rerank"]


@torch.no_grad()
def rerank(
    bridge: Bridge,
    queries: Float[Tensor, "n d1"],
    candidates: Rows,
    indices: Int64[Tensor, "n m"],
    k: int,
    tolerance: float = 0.01,
) -> tuple[Int64[Tensor, "n k"], Float[Tensor, "n k"]]:
    """The `k` best of every query's m candidates, given by row numbers, and their scores, best first.

    With a tolerance in nats (`ucl.core.pruned`) candidates that are proven to be further down are not finished.
    """
    pruning = bridge.pruning(tolerance) if tolerance and not bridge.normalize else None
    found, best = [], []
    for query, own in zip(queries.split(1), indices, strict=True):
        rows = candidates.take(np.asarray(own)).to(query)
        if pruning is None:
            scores = torch.as_tensor(bridge.score(query, rows, progress=False).scores)[0].double()
        else:
            with full_precision(query.device):
                scores, bound, _ = pruning.score(query, *pruning.candidates(rows), best=k)
            scores = scores.where(bound <= tolerance, -torch.inf)
        top = scores.topk(k)
        found.append(own[top.indices])
        best.append(top.values)
    return torch.stack(found), torch.stack(best)
