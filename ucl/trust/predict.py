"""How often would a method find the right candidate? Predicted from the world that the two models imply.

Under Assumption 1, b from the bank, a' with softmax_j f_AB(a_j, b) and c' with softmax_l f_BC(b, c_l) is a pair of
(A, C); a method's recall on such pairs predicts its recall on real ones. Both ends being drawn through a model's own
blur, the prediction is low. Held-out pairs of each model mend the level: with `one` the recall on true (a, b) and drawn
c', `other` on drawn a' and true (b, c), and `drawn` with both drawn,

    logit(predicted) = logit(one) + logit(other) - logit(drawn),

as if each true end took away its own part of the blur. What blurs most is how few samples there are to draw from:
with 320 of A and of C predictions were low by .05 on average, with 2,000 by .015 (five scenes of `peers`, seeds apart
from the experiment's). The b of a drawn pair is never a sample that the method sums over: that alone makes .72 of .44.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ucl.core.critics import Critic
from ucl.learning.implied_joint import ImpliedJoint
from ucl.peers.base import Peer
from ucl.statistics.intervals import NORMAL

__all__ = ["Ends", "Pairs", "Prediction", "Simulated", "from_hits", "hits", "predict", "simulate"]

MODEL_ERROR = 0.25  # standard deviation in logits of what the formula leaves out; from the same seeds
ENOUGH = 1000  # samples of A and of C: from fewer, a prediction is a lower bound


@dataclass(frozen=True)
class Pairs:
    """Held-out pairs of one model: `anchor` [n, d] of A (or C) beside its own B as both models embed it."""

    anchor: Float[Tensor, "n d"]
    for_a: Float[Tensor, "n d1"]
    for_c: Float[Tensor, "n d2"]


@dataclass(frozen=True)
class Ends:
    """Pairs to rank: row i of `a` belongs with row i of `c`; it competes with `candidates`, less row `own[i]` of it."""

    a: Float[Tensor, "n d1"]
    c: Float[Tensor, "n d2"]
    own: Int64[Tensor, " n"]  # -1: the right one is none of the candidates


@dataclass(frozen=True)
class Simulated:
    """Pairs with both ends drawn, and with one true end where there are held-out pairs."""

    drawn: Ends
    one: Ends | None  # true (a, b), drawn c
    other: Ends | None  # drawn a, true (b, c)
    enough: bool  # samples to draw from


@dataclass(frozen=True)
class Prediction:
    """Recall@1 to be expected of a method, with its 95 % interval; `bound` where only a lower bound can be told."""

    method: str
    recall: float
    low: float
    high: float
    bound: bool
    parts: tuple[float, ...]  # on drawn pairs, on pairs with a true a, on pairs with a true c


def simulate(
    ab: Critic,
    bc: Critic,
    a: Float[Tensor, "n d1"],
    c: Float[Tensor, "k d2"],
    held_out: tuple[Float[Tensor, "m d1"], Float[Tensor, "m d2"]],
    pairs_ab: Pairs | None,
    pairs_bc: Pairs | None,
    generator: torch.Generator,
) -> Simulated:
    """Draw pairs through samples of B that no method sums over: `held_out` in both embeddings, and the pairs'."""
    joint = ImpliedJoint.of(ab, bc, a, c, *held_out)
    every = torch.arange(len(held_out[0]), device=a.device)
    from_a, from_c = joint.draw_a(every, generator), joint.draw_c(every, generator)
    one = other = None
    if pairs_ab is not None:
        joint = ImpliedJoint.of(ab, bc, a, c, pairs_ab.for_a, pairs_ab.for_c)
        found = joint.draw_c(torch.arange(len(pairs_ab.anchor), device=a.device), generator)
        one = Ends(pairs_ab.anchor, c[found], found)
    if pairs_bc is not None:
        joint = ImpliedJoint.of(ab, bc, a, c, pairs_bc.for_a, pairs_bc.for_c)
        found = joint.draw_a(torch.arange(len(pairs_bc.anchor), device=a.device), generator)
        other = Ends(a[found], pairs_bc.anchor, torch.full_like(found, -1))
    return Simulated(Ends(a[from_a], c[from_c], from_c), one, other, min(len(a), len(c)) >= ENOUGH)


def predict(peer: Peer, simulated: Simulated, candidates: Float[Tensor, "k d2"], among: int) -> Prediction:
    """Recall@1 among `among` candidates drawn from `candidates`, of a method that has been fitted."""
    ends = [e for e in (simulated.drawn, simulated.one, simulated.other) if e is not None]
    return from_hits(peer.name, [hits(peer, e, candidates, among) for e in ends], simulated.enough)


def from_hits(method: str, found: Sequence[Float[Tensor, " _n"]], enough: bool) -> Prediction:
    """The prediction that hits lead to: on drawn pairs, and with held-out pairs of both models on those with one end.

    `enough`: whether there were enough samples of A and of C for more than a lower bound.
    """
    shares = [float(h.mean()) for h in found]
    logits, variances = zip(*(_logit(h) for h in found), strict=True)
    both = len(found) == 3
    level = logits[1] + logits[2] - logits[0] if both else max(logits)
    width = NORMAL * math.sqrt(sum(variances) + MODEL_ERROR**2)
    low, recall, high = (1 / (1 + math.exp(-x)) for x in (level - width, level, level + width))
    return Prediction(method, recall, low, high, not (both and enough), tuple(shares))


def hits(peer: Peer, ends: Ends, candidates: Float[Tensor, "k d2"], among: int) -> Float[Tensor, " n"]:
    """Per pair the chance that `among - 1` candidates drawn from the others all score below the right one.

    Ties count against it, as everywhere.
    """
    better, others = _not_below(peer, ends, candidates)
    drawn = min(among - 1, int(others.min()))
    steps = torch.arange(drawn, device=better.device)
    left = (others - better)[:, None] - steps
    return (left.clamp_min(0) / (others[:, None] - steps)).log().sum(1).exp()


def _not_below(peer: Peer, ends: Ends, candidates: Float[Tensor, "k d2"]) -> tuple[Tensor, Tensor]:
    """How many of the other candidates score no lower than the right one, and how many there are."""
    rows, place = torch.unique(ends.a, dim=0, return_inverse=True)
    grid = peer.score(rows, torch.cat([candidates, ends.c]))
    among, target = grid[place, : len(candidates)], grid[place, len(candidates) + torch.arange(len(place))]
    same = torch.zeros_like(among, dtype=torch.bool)
    inside = ends.own >= 0
    same[inside.nonzero()[:, 0], ends.own[inside]] = True
    not_below = (~(among < target[:, None]) & ~same).sum(1).double()
    return not_below, (~same).sum(1).double()


def _logit(hits: Float[Tensor, " n"]) -> tuple[float, float]:
    """The logit of a share, and its variance by the delta method; half a hit and half a miss are added."""
    n = len(hits)
    share = (float(hits.sum()) + 0.5) / (n + 1)
    variance = max(float(hits.double().var()) if n > 1 else 0.25, share * (1 - share) / (n + 1))
    return math.log(share / (1 - share)), variance / n / (share * (1 - share)) ** 2
