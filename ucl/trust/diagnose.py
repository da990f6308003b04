"""Direct comparison, which bridge, or neither? Asked of a bank, queries and candidates, without a pair of (A, C)."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from ucl.core.bridge import Bridge
from ucl.core.readers import Rows, as_rows, check_columns, check_width, single
from ucl.errors import InputError
from ucl.peers import PEERS
from ucl.peers.base import Peer, SharedBank
from ucl.peers.monte_carlo import MonteCarloNormalized
from ucl.runtime import generator
from ucl.trust.check import check
from ucl.trust.diagnosis import Diagnosis, Known, decide
from ucl.trust.evidence import of_bank, of_critics, of_marginals
from ucl.trust.known import LEVEL, compare
from ucl.trust.predict import Ends, Pairs, Prediction, hits, predict, simulate

__all__ = ["diagnose"]

LEFT_OUT = ("monte_carlo_unscaled", "one_hop", "distilled_linear")  # two that lose, one that is part of another
HELD_OUT = 0.2  # of the bank, where there are no pairs to take samples of B from
MOST = 2000  # samples of B that pairs are drawn through; queries and candidates that are looked at
FEWEST = 50

Triplet = tuple[Any, Any, Any]


def diagnose(
    bridge: Bridge,
    a: Any,
    c: Any,
    *,
    pairs_ab: Triplet | None = None,
    pairs_bc: Triplet | None = None,
    pairs_ac: tuple[Any, Any] | None = None,
    among: int | None = None,
    progress: bool = True,
) -> Diagnosis:
    """Which way to join two models: a verdict with its reasons and the recall to be expected of every method.

    `a` [n, d1] and `c` [k, d2] are samples of A and C as they will be asked for, at least 50 of each, unpaired; at most
    2,000 are looked at. `pairs_ab` is `(a, for_a, for_c)` and `pairs_bc` `(c, for_a, for_c)`: held-out pairs of one
    model, B as both models embed it. With both, predicted levels are levels, without they are lower bounds.
    `pairs_ac`, `(a, c)` [p, .] row by row, are known pairs: tests whether their recall is the predicted one. `among` is
    the number of candidates that a query has (default: all of `c`). A bank with weights is refused.

    Methods are those of `ucl.peers` that apply, over the bridge's own bank; `direct` among them. The same inputs give
    the same answer, which is computed on the CPU wherever they are. Source: design section 3, "the implied joint".
    Raises InputError where inputs do not fit.
    """
    queries, candidates = _some(bridge, a, "a", "a"), _some(bridge, c, "c", "c")
    among = _among(among, len(candidates))
    both = {"ab": _pairs(bridge, pairs_ab, "a", "pairs_ab"), "bc": _pairs(bridge, pairs_bc, "c", "pairs_bc")}
    known_pairs = None if pairs_ac is None else _known_pairs(bridge, pairs_ac)
    bank, held_out = _bank(bridge, both, queries, candidates)
    random = generator(len(candidates), 20)
    fitted = _fit(bank, progress)
    with torch.no_grad():
        simulated = simulate(bank.ab, bank.bc, queries, candidates, held_out, both["ab"], both["bc"], random)
        shown = tqdm(fitted, "predict", unit="method", disable=not progress)
        found = [predict(peer, simulated, candidates, among) for peer in shown]
        predictions = tuple(sorted(found, key=lambda p: -p.recall))
        full = next(p.recall for p in predictions if p.method == MonteCarloNormalized.name)
        numbers = {
            "assumption_2": of_critics(bank, queries, candidates, both),
            "assumption_3": of_marginals(bank, queries, candidates),
            "bank": of_bank(bank, simulated, candidates, among, full, random),
        }
        checked = check(bridge.bank, bridge.ab, bridge.bc, queries_a=queries, queries_c=candidates)
        verdict, method, reasons, needs = decide(predictions, among, checked)
        known = None
        if known_pairs is not None:
            chosen = next(peer for peer in fitted if peer.name == (method or predictions[0].method))
            known = _known(chosen, known_pairs, candidates, among, predictions)
            reasons, needs = (*reasons, _said(known)), needs[1:]
    return Diagnosis(verdict, method, among, reasons, needs, predictions, numbers, checked, known)


def _among(given: int | None, candidates: int) -> int:
    among = min(given or candidates, candidates)
    if among < 2:
        raise InputError(f"among must be at least 2 candidates: got {among}")
    return among


def _fit(bank: SharedBank, progress: bool) -> list[Peer]:
    peers = [peer for peer in (method() for method in PEERS) if peer.name not in LEFT_OUT and peer.applies(bank)]
    fitted = []
    with tqdm(total=len(peers), desc="diagnose", unit="method", disable=not progress) as bar:
        for peer in peers:
            bar.set_postfix_str(peer.name)  # the last ones train, and take most of the time
            fitted.append(peer.fit(bank))
            bar.update()
    return fitted


def _bank(
    bridge: Bridge, pairs: dict[str, Pairs | None], a: Tensor, c: Tensor
) -> tuple[SharedBank, tuple[Tensor, Tensor]]:
    """The bank that methods sum over, and samples of B apart from it: those of pairs, or a fifth of the bank."""
    bank = SharedBank.of(bridge.bank, bridge.ab, bridge.bc, a, c)
    for_a, for_c = bank.for_a, bank.for_c
    given = [p for p in pairs.values() if p is not None]
    if given:
        return bank, (torch.cat([p.for_a for p in given]), torch.cat([p.for_c for p in given]))
    order = torch.randperm(len(for_a), generator=generator(len(for_a), 21))
    apart = min(MOST, math.ceil(HELD_OUT * len(for_a)))
    if len(for_a) - apart < FEWEST:
        raise InputError(f"a diagnosis needs a bank of at least {2 * FEWEST} samples: got {len(for_a)}")
    out, kept = order[:apart], order[apart:]
    return replace(bank, for_a=for_a[kept], for_c=for_c[kept]), (for_a[out], for_c[out])


def _fitting(bridge: Bridge, x: Any, name: str, side: str) -> Rows:
    """Rows as wide as the bank's side, and with their columns in its order."""
    rows, sides = as_rows(x, name), (bridge.bank.for_a, bridge.bank.for_c)
    check_width(rows.shape[1], name, sides, side)
    check_columns(rows, sides["ac".index(side)])
    return rows


def _some(bridge: Bridge, x: Any, name: str, side: str) -> Float[Tensor, "n d"]:
    """At most `MOST` rows, the first ones."""
    rows = _fitting(bridge, x, name, side)
    if len(rows) < FEWEST:
        raise InputError(f"{name} must hold at least {FEWEST} samples for a diagnosis: got {len(rows)}")
    return single(rows.read(0, min(len(rows), MOST)).detach(), name).cpu()


def _pairs(bridge: Bridge, given: Triplet | None, anchor: str, name: str) -> Pairs | None:
    if given is None:
        return None
    if len(given) != 3:
        raise InputError(f"{name} must hold three arrays, the anchors and B as both models embed it: got {len(given)}")
    sides = (anchor, "a", "c")
    parts = [_some(bridge, part, f"{name}[{i}]", sides[i]) for i, part in enumerate(given)]
    if len({len(part) for part in parts}) > 1:
        raise InputError(f"{name} must hold one row a pair in all three arrays: got {[len(part) for part in parts]}")
    return Pairs(*parts)


def _known_pairs(bridge: Bridge, pairs: tuple[Any, Any]) -> tuple[Tensor, Tensor]:
    if len(pairs) != 2:
        raise InputError(f"pairs_ac must hold two arrays, of A and of C, row by row: got {len(pairs)}")
    a, c = (_fitting(bridge, part, f"pairs_ac[{i}]", "ac"[i]) for i, part in enumerate(pairs))
    if len(a) != len(c) or len(a) < 2:
        raise InputError(f"pairs_ac must hold at least 2 pairs, row by row: got {len(a)} and {len(c)} rows")
    x, y = (single(rows.read(0, len(rows)).detach(), rows.name).cpu() for rows in (a, c))
    return x, y


def _known(
    peer: Peer, pairs: tuple[Tensor, Tensor], candidates: Tensor, among: int, predictions: Sequence[Prediction]
) -> Known:
    """Recall on known pairs beside the predicted one."""
    x, y = pairs
    found = hits(peer, Ends(x, y, torch.full((len(x),), -1)), candidates, among)
    return compare(found, next(p for p in predictions if p.method == peer.name))


def _said(known: Known) -> str:
    told = f"{known.pairs} known pairs: Recall@1 {known.recall:.2f}, predicted {known.predicted:.2f}"
    if known.p_value < LEVEL:
        return f"{told} (p = {known.p_value:.3g}): not the world that the two models imply."
    return f"{told} (p = {known.p_value:.3g}): nothing against the world that the two models imply."
