"""The numbers behind a diagnosis: how far Assumptions 2 and 3 hold, and what the size of the bank does."""

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.core.closed_form import uniform_log_ratio
from ucl.core.critics import Cosine, represent
from ucl.learning.losses import info_nce
from ucl.peers.base import SharedBank
from ucl.peers.monte_carlo import MonteCarloNormalized
from ucl.statistics.normality import gaussianity, varying
from ucl.statistics.uniformity import anchor_log_means, sphericity
from ucl.trust.calibrate import fit_scale
from ucl.trust.predict import Pairs, Simulated, predict

__all__ = ["calibration_curve", "of_bank", "of_critics", "of_marginals"]

SOME = 500  # rows that stand for all, in tests whose cost is a square
BINS = 10
CLOSE = 50  # queries and candidates for which the closed form is compared with the bank


def of_critics(
    bank: SharedBank, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"], pairs: dict[str, Pairs | None]
) -> dict[str, float]:
    """Assumption 2, critics are log ratios: spread of `log E exp f` over anchors, and the scale that pairs ask for.

    `spread_ab`, `spread_bc`: standard deviation over anchors in nats, 0 for a log ratio. With held-out pairs:
    `scale_ab` (by how much the scale would have to be multiplied), `gain_ab` (nats of InfoNCE that this would gain),
    `calibration_ab` (mean distance of the calibration curve from the diagonal, as a share of what was right).
    """
    found = {}
    sides = (("ab", bank.ab, a, bank.for_a, "for_a"), ("bc", bank.bc, c, bank.for_c, "for_c"))
    for side, critic, anchors, samples, name in sides:
        found[f"spread_{side}"] = float(anchor_log_means(critic(anchors[:SOME], samples)).std())
        own = pairs[side]
        if own is not None:
            x, y = (represent(critic, rows.double(), name) for rows in (own.anchor, getattr(own, name)))
            fitted = fit_scale(type(critic)(1.0), x, y)
            scores = critic(own.anchor.double(), getattr(own, name).double())
            found[f"scale_{side}"] = fitted.scale / critic.number
            found[f"gain_{side}"] = float(info_nce(scores) - info_nce(scores * (fitted.scale / critic.number)))
            found[f"calibration_{side}"] = _off_diagonal(calibration_curve(scores))
    return found


def calibration_curve(scores: Float[Tensor, "n n"]) -> list[tuple[float, float, int]]:
    """`(mean probability given, share that was right, how many)` per bin of the softmax of held-out pairs.

    Probabilities are those that each anchor's softmax gives to each partner, among all n; bins are of equal width on a
    logarithmic axis from 1/n^2 to 1.
    """
    n = len(scores)
    given = torch.softmax(scores, 1)
    place = ((given.clamp_min(1e-300).log() / (2 * math.log(n)) + 1) * BINS).floor().clamp(0, BINS - 1)
    curve = []
    for own in (place == bin_ for bin_ in range(BINS)):
        if own.any():
            curve.append((float(given[own].mean()), float(own.diagonal().sum() / own.sum()), int(own.sum())))
    return curve


def of_marginals(bank: SharedBank, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> dict[str, float]:
    """Assumption 3, B's embeddings are uniform on the sphere, or Gaussian: p-values and effects of tests with power.

    Where Lemma 2 applies, `closed_form_distance`: how far it is from the sum over the bank, the median in standard
    errors of scores centred per query.
    """
    found = {}
    for name, rows in (("for_a", bank.for_a), ("for_c", bank.for_c)):
        x = rows[:SOME].double()
        for test, outcome in (sphericity(x) | gaussianity(varying(x)[:, : max(1, len(x) // 4)], draws=199)).items():
            found[f"{name}_{test}_p"] = float(outcome.p_value)
            found[f"{name}_{test}_effect"] = float(outcome.effect)
    if bank.same_width and isinstance(bank.ab, Cosine) and isinstance(bank.bc, Cosine):
        found["closed_form_distance"] = _closed_form_distance(bank, a[:CLOSE], c[:CLOSE])
    return found


def _closed_form_distance(bank: SharedBank, a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"]) -> float:
    result = Bridge(bank.ab, bank.bc, Bank(bank.for_a, bank.for_c), normalize=False).score(a, c, progress=False)
    difference = torch.as_tensor(result.scores).double() - uniform_log_ratio(a, c, bank.ab.number, bank.bc.number)
    errors = torch.as_tensor(result.standard_error).double().clamp_min(1e-12)
    return float(((difference - difference.mean(1, keepdim=True)).abs() / errors).median())


def of_bank(
    bank: SharedBank,
    simulated: Simulated,
    c: Float[Tensor, "k d2"],
    among: int,
    full: float,
    generator: torch.Generator,
) -> dict[str, float]:
    """Recall of normalised LogSumExp over half of the bank, over all (`full`), and what as much again might add."""
    rows = torch.randperm(len(bank.for_a), generator=generator)[: len(bank.for_a) // 2]
    half = replace(bank, for_a=bank.for_a[rows], for_c=bank.for_c[rows])
    recall = predict(MonteCarloNormalized().fit(half), simulated, c, among).recall
    return {"recall_half": recall, "recall_full": full, "recall_twice": min(1.0, 2 * full - recall)}


def _off_diagonal(curve: list[tuple[float, float, int]]) -> float:
    """Mean distance of what was right from what was given, weighted by how often it was right."""
    right = sum(share * count for _, share, count in curve)
    return sum(abs(share - given) * count for given, share, count in curve) / max(right, 1.0)
