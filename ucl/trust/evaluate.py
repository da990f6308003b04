"""Which bridge is best on known pairs of (A, C): recall of every one that applies, with intervals, ties named."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ucl.core.readers import single
from ucl.errors import InputError
from ucl.peers import PEERS, Peer, SharedBank
from ucl.statistics.cutoffs import KS
from ucl.statistics.intervals import Interval

__all__ = ["Evaluation", "Row", "evaluate", "ranks"]

RESAMPLES = 2000
LEVELS = (0.025, 0.975)


@dataclass(frozen=True)
class Row:
    """One bridge: `recall` at each of `KS`, median rank (1 is best), and whether it ties with the winner.

    `behind` is the winner's Recall@1 less its own, query by query; it ties where that interval holds zero.
    """

    bridge: str
    recall: dict[int, Interval]
    median_rank: Interval
    behind: Interval
    ties: bool


@dataclass(frozen=True)
class Evaluation:
    """All bridges, the best Recall@1 first (median rank decides between equals): the first is the winner."""

    rows: list[Row]
    queries: int
    candidates: int
    left_out: list[str]  # bridges that are not defined for such a bank

    @property
    def winner(self) -> str:
        """The bridge with the highest Recall@1."""
        return self.rows[0].bridge

    @property
    def tied(self) -> list[str]:
        """Bridges that these queries cannot tell from the winner."""
        return [row.bridge for row in self.rows[1:] if row.ties]

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self) | {"winner": self.winner, "tied": self.tied}

    def __repr__(self) -> str:
        return (
            f"Evaluation({len(self.rows)} bridges on {self.queries} queries and {self.candidates} candidates: "
            f"{self.winner} first, {len(self.tied)} tied with it)"
        )


def evaluate(
    bank: SharedBank,
    a: Float[Tensor, "n d1"],
    c: Float[Tensor, "k d2"],
    pairs: Iterable[tuple[int, int]],
    *,
    peers: Sequence[type[Peer]] = PEERS,
    seed: int = 0,
) -> Evaluation:
    """Rank all candidates `c` for the queries of `pairs`, (row of a, row of c), by every bridge that applies.

    A query may have several right candidates: its rank is that of the best of them among the wrong ones. Ties share
    their mean rank. Intervals draw queries, not candidates, and hold for these candidates. Methods that ask for
    unpaired samples of A and of C see all rows of `a` and `c`, without a word on which belong together. All is done in
    float32 on the CPU, as in the experiment `peers`.
    """
    right = _right(pairs, len(a), len(c))
    asked = right.any(1).nonzero()[:, 0]
    if not len(asked):
        raise InputError("pairs must name at least one pair of A and C: got none")
    a, c = single(a, "a").cpu(), single(c, "c").cpu()
    memory = SharedBank(single(bank.for_a, "bank.for_a"), single(bank.for_c, "bank.for_c"), bank.ab, bank.bc, a, c)
    methods = [method() for method in peers]
    found = {
        peer.name: ranks(peer.fit(memory).score(a[asked], c), right[asked]) for peer in methods if peer.applies(memory)
    }
    left_out = [peer.name for peer in methods if peer.name not in found]
    return Evaluation(_compare(found, seed), len(asked), len(c), left_out)


def ranks(scores: Float[Tensor, "n k"], right: Bool[Tensor, "n k"]) -> Float[Tensor, " n"]:
    """Expected rank of the best right candidate of each query among the wrong ones; a NaN never makes a hit."""
    best = torch.where(right, scores.double(), -torch.inf).nan_to_num(-torch.inf, torch.inf, -torch.inf).amax(1)
    wrong = torch.where(right, -torch.inf, scores.double().nan_to_num(torch.inf))
    above = (wrong > best[:, None]).sum(1)
    level = ((wrong == best[:, None]) & ~right).sum(1)
    return 1 + above + level / 2


def _right(pairs: Iterable[tuple[int, int]], n: int, k: int) -> Bool[Tensor, "n k"]:
    right = torch.zeros(n, k, dtype=torch.bool)
    for i, j in pairs:
        if not (0 <= i < n and 0 <= j < k):
            raise InputError(f"pairs must be rows of a ({n}) and of c ({k}): got ({i}, {j})")
        right[i, j] = True
    return right


def _compare(found: dict[str, Float[Tensor, " n"]], seed: int) -> list[Row]:
    ranked = {name: rank.numpy() for name, rank in found.items()}
    order = sorted(ranked, key=lambda name: (-(ranked[name] <= 1).mean(), np.median(ranked[name])))
    queries = len(ranked[order[0]])
    draws = np.random.default_rng(seed).integers(queries, size=(RESAMPLES, queries))
    hits = {name: (ranked[name] <= 1).astype(float) for name in order}
    rows = []
    for name in order:
        recall = {k: _estimate((ranked[name] <= k).astype(float), draws) for k in KS}
        behind = _estimate(hits[order[0]] - hits[name], draws)
        ties = name != order[0] and behind.low <= 0 <= behind.high
        rows.append(Row(name, recall, _estimate(ranked[name], draws, np.median), behind, ties))
    return rows


def _estimate(values: Float[np.ndarray, " n"], draws: np.ndarray, statistic: Any = np.mean) -> Interval:
    """A statistic of the queries with its 95 % percentile interval; every bridge sees the same bootstrap draws."""
    low, high = np.quantile(statistic(values[draws], axis=1), LEVELS)
    return Interval(float(statistic(values)), float(low), float(high))
