"""The diagnosis of every seed of a case beside the truth: predictions, the verdict, and the test on known pairs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from ucl.experiments.diagnosis.config import Judging
from ucl.experiments.diagnosis.embeddings import Embeddings
from ucl.experiments.diagnosis.naming import METHODS_LEFT_OUT
from ucl.peers import PEERS, Peer
from ucl.runtime import generator
from ucl.statistics.retrieval import recall_of_groups
from ucl.trust.check import check
from ucl.trust.diagnosis import decide
from ucl.trust.known import compare
from ucl.trust.predict import Ends, Prediction, Simulated, from_hits, hits, simulate

__all__ = ["Judged", "judge"]

SIMULATION, KNOWN = 30, 31  # purposes of random streams
BLOCK = 320  # true pairs that are scored at once


class Judged(NamedTuple):
    """Tables of one case, a row per seed and what it says.

    `predictions`: method, pairs (whether held-out pairs were given), predicted, low, high, bound, actual.
    `verdicts`: verdict, method (empty where there is none). `tests`: pairs, draw, p_value.
    """

    predictions: pd.DataFrame
    verdicts: pd.DataFrame
    tests: pd.DataFrame


def judge(params: Judging, case: str, tensors: Mapping[str, Tensor], progress: bool = True) -> Judged:
    """What the diagnosis says of every seed, in the steps of `ucl.trust.diagnose`, beside the recall on true pairs."""
    name, params = params.of_case(case)
    judged = []
    for seed in tqdm(range(params.seeds), f"diagnose {case}", unit="seed", disable=not progress):
        own = _judge(params, Embeddings.of(name, tensors, seed), seed)
        judged.append([frame.assign(seed=seed) for frame in own])
    return Judged(*(pd.concat(frames, ignore_index=True) for frames in zip(*judged, strict=True)))


def _judge(params: Judging, own: Embeddings, seed: int) -> Judged:
    found = {peer.name: peer.fit(own.for_peers) for peer in _methods(own)}
    simulated, opponents, among = _simulate(params, own, seed), own.samples_c[: params.opponents], params.candidates
    both = {name: _predict(peer, simulated, opponents, among) for name, peer in found.items()}
    rows = []
    for name, predictions in both.items():
        actual = recall_of_groups(found[name].score, own.a, own.c, among)
        for p, given in zip(predictions, (True, False), strict=True):
            rows.append((name, given, p.recall, p.low, p.high, p.bound, actual))
    ordered = tuple(sorted((with_pairs for with_pairs, _ in both.values()), key=lambda p: -p.recall))
    checked = check(own.bank, own.ab, own.bc, queries_a=own.samples_a, queries_c=own.samples_c)
    verdict, method, *_ = decide(ordered, among, checked)
    tested = both[method or ordered[0].method][0]
    true = _true_hits(found[tested.method], own, opponents, among)
    return Judged(
        pd.DataFrame(rows, columns=["method", "pairs", "predicted", "low", "high", "bound", "actual"]),
        pd.DataFrame([(verdict, method or "")], columns=["verdict", "method"]),
        pd.DataFrame(_test(params, true, tested, seed), columns=["pairs", "draw", "p_value"]),
    )


def _methods(own: Embeddings) -> list[Peer]:
    peers = [method() for method in PEERS if method.name not in METHODS_LEFT_OUT]
    return [peer for peer in peers if peer.applies(own.for_peers)]


def _simulate(params: Judging, own: Embeddings, seed: int) -> Simulated:
    """Pairs drawn through every second held-out pair's own B, as many as pairs with one true end.

    Samples of C beyond the opponents count as none of them.
    """
    held_out = tuple(torch.cat([getattr(p, n)[::2] for p in (own.pairs_ab, own.pairs_bc)]) for n in ("for_a", "for_c"))
    drawn = simulate(
        own.ab, own.bc, own.samples_a, own.samples_c, (held_out[0], held_out[1]), own.pairs_ab, own.pairs_bc,
        generator(seed, SIMULATION),
    )  # fmt: skip
    assert drawn.one is not None
    assert drawn.other is not None
    drawn_ends, one, other = (_among(ends, params.opponents) for ends in (drawn.drawn, drawn.one, drawn.other))
    return replace(drawn, drawn=drawn_ends, one=one, other=other)


def _among(ends: Ends, opponents: int) -> Ends:
    return replace(ends, own=torch.where(ends.own < opponents, ends.own, -1))


def _predict(
    peer: Peer, simulated: Simulated, opponents: Float[Tensor, "k d2"], among: int
) -> tuple[Prediction, Prediction]:
    """With held-out pairs of both models, and without."""
    assert simulated.one is not None
    assert simulated.other is not None
    found = [hits(peer, ends, opponents, among) for ends in (simulated.drawn, simulated.one, simulated.other)]
    return from_hits(peer.name, found, simulated.enough), from_hits(peer.name, found[:1], simulated.enough)


def _true_hits(peer: Peer, own: Embeddings, opponents: Float[Tensor, "k d2"], among: int) -> Float[Tensor, " n"]:
    blocks = zip(own.a.split(BLOCK), own.c.split(BLOCK), strict=True)
    return torch.cat([hits(peer, Ends(a, c, torch.full((len(a),), -1)), opponents, among) for a, c in blocks])


def _test(
    params: Judging, found: Float[Tensor, " n"], predicted: Prediction, seed: int
) -> list[tuple[int, int, float]]:
    """The test on draws of known pairs: their number, which draw, and the p-value."""
    rows = []
    for count in params.known_pairs.counts:
        for draw in range(params.known_pairs.draws):
            drawn = torch.randperm(len(found), generator=generator(seed, KNOWN, count, draw))[:count]
            rows.append((count, draw, compare(found[drawn], predicted).p_value))
    return rows
