"""The exact bridge's order of what an index found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from tqdm import trange

from ucl.core.bridge import Bridge
from ucl.core.precision import full_precision
from ucl.core.pruned import Pruning
from ucl.core.readers import Rows, as_rows, concatenate
from ucl.errors import InputError

__all__ = ["TOLERANCE", "Reranker", "Survey"]

TOLERANCE = 0.01  # nats: what a reranked score may be off by, unless told otherwise
ROWS = 2**14  # candidates read at a time


@dataclass(frozen=True)
class Survey:
    """What one pass over a bridge's bank says of every candidate (`ucl.core.pruned`): [N, 2], and of which bridge."""

    values: Rows
    bridge: str  # the B-C critic and the bank's fingerprint

    @staticmethod
    def of(bridge: Bridge, candidates: Rows, progress: bool = True) -> "Survey":
        """Costs N M products: minutes for a million candidates and a bank of tens of thousands."""
        pruning, parts = bridge.pruning(TOLERANCE), []
        for start in trange(0, len(candidates), ROWS, desc="survey", disable=not progress, unit="block"):
            rows = candidates.read(start, min(start + ROWS, len(candidates)))
            with full_precision(rows.device):
                parts.append(pruning.survey(rows).cpu().numpy())
        return Survey(as_rows(np.concatenate(parts), "survey"), bridge.candidates_key())

    @staticmethod
    def joined(surveys: Sequence["Survey | None"]) -> "Survey | None":
        """Of the shards of all candidates; InputError where they are of several bridges, or only some were made."""
        made = [survey for survey in surveys if survey is not None]
        if not made:
            return None
        if len(made) < len(surveys) or len({survey.bridge for survey in made}) > 1:
            raise InputError(
                f"shards to search must be built with one bridge or with none: got {len(made)} of {len(surveys)} with "
                f"{len({survey.bridge for survey in made})} bridges; build all of them alike"
            )
        return Survey(concatenate([survey.values for survey in made]), made[0].bridge)


class Reranker:
    """A bridge that puts candidates in order, ready for many queries; its bank must not change meanwhile.

    Scores are within a tolerance in nats where candidates were surveyed for this bridge, or nothing is normalised; a
    tolerance below that of the survey, or 0, asks for exact scores.
    """

    def __init__(self, bridge: Bridge, tolerance: float, survey: Survey | None) -> None:
        known = survey is not None and tolerance >= TOLERANCE and survey.bridge == bridge.candidates_key()
        self.survey = survey if known else None
        self.bridge, self.tolerance = bridge, tolerance
        prunes = tolerance and (known or not bridge.normalize)
        self.pruning: Pruning | None = bridge.pruning(tolerance) if prunes else None

    @torch.no_grad()
    def __call__(
        self, queries: Float[Tensor, "n d1"], candidates: Rows, indices: Int64[Tensor, "n m"], k: int
    ) -> tuple[Int64[Tensor, "n k"], Float[Tensor, "n k"]]:
        """The `k` best of every query's m candidates, given by row numbers, and their scores, best first."""
        found, best = [], []
        for query, own in zip(queries.split(1), indices, strict=True):
            top = self._score(query, candidates.take(np.asarray(own)).to(query), own, k).topk(k)
            found.append(own[top.indices])
            best.append(top.values)
        return torch.stack(found), torch.stack(best)

    def _score(self, query: Tensor, rows: Tensor, own: Tensor, k: int) -> Float[Tensor, " m"]:
        if self.pruning is None:
            return torch.as_tensor(self.bridge.score(query, rows, progress=False).scores)[0].double()
        known = None if self.survey is None else self.survey.values.take(np.asarray(own))
        with full_precision(query.device):
            scores, bound, samples = self.pruning.score(query, self.pruning.ready(rows, known), best=k)
        return scores.where((bound <= self.tolerance) | (samples == self.pruning.size), -torch.inf)
