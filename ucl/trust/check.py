"""Is a bank what its owner thinks it is, and are the scales those of its models?"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.bridge import log_sum_exp_scores
from ucl.core.critics import Critic, check_critic, represent
from ucl.core.readers import Rows, as_rows, check_columns, single
from ucl.errors import InputError
from ucl.runtime import generator
from ucl.trust import answers, rows, scales
from ucl.trust.calibrate import FEWEST, fit_scale
from ucl.trust.displaced import PLANTED, Alignment, align
from ucl.trust.findings import Finding, Findings
from ucl.trust.sides import LookedAt, some

__all__ = ["check"]

ANCHORS = 200  # queries, or rows of the bank, that stand for all
CANDIDATES = 500
BANK = 20_000  # rows of the bank that answers are looked at over
LEAST = 200  # rows whose order can be judged


def check(
    bank: Bank,
    ab: Any,
    bc: Any,
    *,
    queries_a: Any = None,
    queries_c: Any = None,
    pairs_ab: tuple[Any, Any] | None = None,
    pairs_bc: tuple[Any, Any] | None = None,
    texts: Sequence[str] | None = None,
    cut_texts: Sequence[str] | None = None,
) -> Findings:
    """Look at a bank, and at two critics over it, as a careful colleague would; nothing is changed.

    Always: whether row i of both sides is the same sample, also for a part of the rows; repeats, dimensions, norms and
    far rows; what the scales make of the bank. With `queries_a` [n, d1] and `queries_c` [k, d2]: whether the bank
    covers them, and whether few candidates win most queries. With `pairs_ab` ([n, d1] of A and of B) and `pairs_bc`
    ([n, d2] of B and of C), known pairs that the model was not trained on: the scale against the one that InfoNCE
    prefers for them. With `texts`, one for each row, and `cut_texts`, as the models saw them: texts that became equal.

    Everything is drawn from a seed of its own: the same bank gives the same findings. What an `ok` on the order means,
    how often it is right, and when it says that nothing can be told, is in docs/check.md. Raises InputError as `Bank`
    and `Bridge` do where inputs do not fit each other.
    """
    check_critic(ab, "ab")
    check_critic(bc, "bc")
    bank.check_critics(ab, bc)
    if cut_texts is not None and texts is None:
        raise InputError("cut_texts are compared with texts: got none; give the texts as they were as well")
    with torch.no_grad():
        seen = LookedAt.of(bank, ab, bc)
        found = [_order(bank, seen), rows.repeats(bank, seen)]
        for name in ("for_a",) if bank.shared else ("for_a", "for_c"):
            looked = getattr(seen, name)
            found += [rows.dimensions(looked, name), rows.norms(getattr(bank, name), name), rows.far_rows(looked, name)]
        if texts is not None:
            if len(texts) != len(bank):
                raise InputError(
                    f"texts must be those of the bank: got {len(texts)} for {len(bank)} samples; give one each"
                )
            found.append(rows.texts_cut(texts, cut_texts))
        sides = (queries_a, ab, "queries_a", bank.for_a), (queries_c, bc, "queries_c", bank.for_c)
        queries = [None if given is None else _queries(given, *side) for given, *side in sides]
        for critic, side, asked, own in ((ab, "ab", queries[0], seen.for_a), (bc, "bc", queries[1], seen.for_c)):
            found.append(_scale(critic, side, asked, own))
        for critic, side, pairs, own_side in ((ab, "ab", pairs_ab, bank.for_a), (bc, "bc", pairs_bc, bank.for_c)):
            if pairs is not None:
                found.append(_pairs(critic, side, pairs, own_side))
        found += _answers(ab, bc, queries[0], queries[1], seen)
    return Findings(tuple(found))


def _order(bank: Bank, seen: LookedAt) -> Finding:
    """Whether row i of both sides is the same sample."""
    if bank.shared:
        return Finding("order", "ok", "Both models share one embedding: there is no order to get wrong.", "", {})
    joined = bank.for_a.ids() is not None and bank.for_c.ids() is not None
    by_id = "Rows were joined by their ids. " if joined else ""
    if len(seen) < LEAST:
        text = f"{by_id}{len(seen)} samples are too few to tell whether their order is right."
        return Finding("order", "warning", text, f"give at least {LEAST} samples, with ids on both sides", {})
    found = align(lambda i: seen.for_a[torch.from_numpy(i)], lambda i: seen.for_c[torch.from_numpy(i)], len(seen))
    return _told(found, by_id)


def _told(found: Alignment, by_id: str) -> Finding:
    numbers = {
        "related_in_deviations": found.related,
        "share_that_fits_nothing": found.share,
        "log_likelihood_ratio": found.likelier,
        "exchanged_in_deviations": found.exchanged,
        "rows_looked_at": found.rows,
    }
    if found.found is not None:
        numbers["planted_found"] = found.found
    again = "embed the same samples with both models, in one order, and give ids on both sides"
    if found.unrelated:
        text = f"{by_id}The two sides have nothing to do with each other in this order: shuffled, or of other samples."
        return Finding("order", "error", text, again, numbers)
    if found.displaced:
        text = f"{by_id}About {found.share:.0%} of the rows are not the same sample on both sides."
        return Finding("order", "error", text, again, numbers)
    if found.misfits:
        text = (
            f"{by_id}About {found.share:.0%} of the rows fit no better than any other, and have no better place either."
        )
        return Finding("order", "warning", text, "look at these samples: noise, or of another modality?", numbers)
    if by_id:
        return Finding("order", "ok", f"{by_id}Nothing speaks against them.", "", numbers)
    if found.found is None or found.found < 1:
        text = "The two sides belong together, too weakly to tell whether a part of the rows is displaced."
        return Finding("order", "warning", text, "give ids on both sides, or a larger bank", numbers)
    text = f"Row i is the same sample on both sides; {PLANTED:.0%} of the rows displaced would have been found."
    return Finding("order", "ok", text, "", numbers)


def _queries(given: Any, critic: Critic, name: str, like: Rows) -> Tensor:
    source = as_rows(given, name)
    if source.shape[1] != like.shape[1]:
        raise InputError(
            f"{name} must be as wide as its side of the bank: got {source.shape[1]} and {like.shape[1]}; "
            "embed both with one model"
        )
    check_columns(source, like)
    block = represent(critic, source.read(0, len(source)).detach().cpu(), name)
    return some(single(block, name), CANDIDATES, 5)


def _scale(critic: Critic, side: str, queries: Tensor | None, own: Tensor) -> Finding:
    sample = some(torch.arange(len(own)), BANK, 3)
    if queries is not None:
        effective = scales.effective_samples(critic, queries[:ANCHORS], own[sample])
        return scales.by_samples(critic, effective, len(sample), side, True)
    if len(sample) < 3:
        text = f"{side}: {len(own)} samples are too few to look at the scale."
        return Finding(f"scale_{side}", "warning", text, "give a larger bank", {"scale": critic.number})
    at = some(torch.arange(len(sample)), ANCHORS, 4)
    effective = scales.effective_samples(critic, own[sample[at]], own[sample], at)
    return scales.by_samples(critic, effective, len(sample), side, False)


def _pairs(critic: Critic, side: str, pairs: tuple[Any, Any], like: Rows) -> Finding:
    x, y = (as_rows(part, f"pairs_{side}[{i}]") for i, part in enumerate(pairs))
    if x.shape != y.shape or len(x) < FEWEST or x.shape[1] != like.shape[1]:
        raise InputError(
            f"pairs_{side} must be the two sides of at least {FEWEST} pairs, as wide as {like.name}, {like.shape[1]}: "
            f"got {list(x.shape)} and {list(y.shape)}"
        )
    for part in (x, y):
        check_columns(part, like)
    order = torch.randperm(len(x), generator=generator(len(x)))
    left, right = (
        represent(critic, part.read(0, len(part)).detach().cpu().double(), part.name)[order] for part in (x, y)
    )
    return scales.by_pairs(critic, fit_scale(critic, left, right), side)


def _answers(ab: Critic, bc: Critic, a: Tensor | None, c: Tensor | None, seen: LookedAt) -> list[Finding]:
    """Coverage and hubs of normalised scores, over at most `BANK` samples."""
    sample = some(torch.arange(len(seen)), BANK, 6)
    sides = []
    for critic, asked, own in ((ab, a, seen.for_a), (bc, c, seen.for_c)):
        sides.append(None if asked is None else answers.over_bank(critic, asked[:CANDIDATES], own[sample]))
    if sides[0] is None or sides[1] is None:
        names = ("coverage_a", "A's own weights over the bank"), ("coverage_c", "C's own weights over the bank")
        return [answers.coverage(side, *name) for side, name in zip(sides, names, strict=True) if side is not None]
    grid = log_sum_exp_scores(sides[0], sides[1]) - sides[0].logsumexp(1)[:, None] - sides[1].logsumexp(1)
    best = grid[:ANCHORS].argmax(1)
    weights = sides[0][:ANCHORS] + sides[1][best]
    return [answers.coverage(weights, "coverage", "The best answers"), answers.hubs(grid)]
