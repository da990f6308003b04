"""Is a critic's scale the one its model was trained with? By how many samples make an answer, and by known pairs."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.critics import Cosine, Critic
from ucl.core.reliability import LOGARITHM, MOST
from ucl.statistics.intervals import NORMAL
from ucl.trust.calibrate import Calibration
from ucl.trust.findings import Finding

__all__ = ["by_pairs", "by_samples", "effective_samples"]

FACTOR = 2.0  # a scale this far from that of the pairs is another one: training and held-out pairs differ by less
DEVIATIONS = 3.0  # and this many standard errors


def effective_samples(
    critic: Critic, anchors: Float[Tensor, "n d"], rows: Float[Tensor, "m d"], own: Tensor | None = None
) -> Float[Tensor, " n"]:
    """1 / sum of squares of the softmax over the bank, of each anchor; `own` are rows that are the anchors."""
    scores = critic.number * critic.compare(anchors.float(), rows).double()
    if own is not None:
        scores[torch.arange(len(scores)), own] = -torch.inf
    return 1 / scores.softmax(1).square().sum(1)


def by_samples(critic: Critic, effective: Float[Tensor, " n"], samples: int, side: str, queries: bool) -> Finding:
    """What the scale makes of the bank: one sample for each answer, or all of it for every one."""
    scale, name = critic.number, f"scale_{side}"
    middle = float(effective.median())
    alone, whole = (float(part.double().mean()) for part in (effective < 1.5, effective > samples / 2))
    numbers = {"scale": scale, "effective_samples": middle, "on_one_sample": alone, "on_the_whole_bank": whole}
    who = "queries" if queries else "the bank's own rows"
    if isinstance(critic, Cosine) and scale == 1:
        text = f"{side}: a scale of 1 for a cosine critic is no scale a model was trained with."
        return Finding(name, "error", text, "give exp(logit_scale) of the model, often 10 to 100", numbers)
    if whole > MOST:
        text = f"{side}: with a scale of {scale:.4g} nearly the whole bank is in every answer ({who})."
        small = isinstance(critic, Cosine) and scale < LOGARITHM
        hint = f"; if {scale:.4g} is the logarithm of the scale, give {math.exp(scale):.4g}" if small else ""
        remedy = f"give the scale the model was trained with{hint}, or fit it: ucl calibrate"
        return Finding(name, "error" if small else "warning", text, remedy, numbers)
    if alone > MOST:
        text = f"{side}: with a scale of {scale:.4g} one sample of the bank makes nearly every answer ({who})."
        remedy = "give the scale the model was trained with (ucl calibrate), or a larger bank"
        return Finding(name, "warning", text, remedy, numbers)
    text = f"{side}: {middle:.4g} of {samples} samples make an answer of {who} at a scale of {scale:.4g}."
    return Finding(name, "ok", text, "", numbers)


def by_pairs(critic: Critic, fitted: Calibration, side: str) -> Finding:
    """The scale against the one that InfoNCE prefers on known pairs of that model."""
    scale, name = critic.number, f"scale_{side}_by_pairs"
    numbers = {"scale": scale, "fitted": fitted.scale, "low": fitted.low, "high": fitted.high, "pairs": fitted.pairs}
    about = f"{fitted.pairs} pairs ask for {fitted.scale:.4g} ({fitted.low:.4g} to {fitted.high:.4g})"
    if fitted.doubt is not None:
        why = "they look like chance." if fitted.like_chance else "all are told apart."
        text = f"{side}: {fitted.pairs} pairs do not tell the scale: {why}"
        return Finding(name, "warning", text, "give more pairs, or pairs in their right order", numbers)
    error = math.log(fitted.high / fitted.low) / (2 * NORMAL)
    off = math.log(scale / fitted.scale)
    if abs(off) <= max(math.log(FACTOR), DEVIATIONS * error):
        return Finding(name, "ok", f"{side}: a scale of {scale:.4g} agrees: {about}.", "", numbers)
    is_log = scale > 0 and abs(scale - math.log(fitted.scale)) < max(math.log(FACTOR), DEVIATIONS * error)
    what = (
        "is the logarithm of what fits"
        if is_log and off < 0
        else f"is {max(math.exp(off), math.exp(-off)):.3g} times off"
    )
    remedy = f"give {fitted.scale:.4g}, or look whether the pairs are of this model and not its training set"
    return Finding(name, "error", f"{side}: a scale of {scale:.4g} {what}: {about}.", remedy, numbers)
