"""What the rows of a bank look like: repeats, dimensions, norms, rows far from the rest, texts cut short."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.critics import squared_distances
from ucl.core.fingerprint import row_hashes
from ucl.core.readers import Rows
from ucl.errors import InputError
from ucl.trust.findings import Finding
from ucl.trust.sides import LookedAt, some

__all__ = ["dimensions", "far_rows", "norms", "repeats", "texts_cut"]

SAMPLE = 2000
NEAR = 1e-3  # of the median distance to the nearest other row
FAR = 12.0  # median absolute deviations beyond the median distance from the centre
BLOCK = 2**14


def repeats(bank: Bank, seen: LookedAt) -> Finding:
    """Samples that are there more than once, exactly or but for rounding."""
    hashes = row_hashes([seen.for_a] if bank.shared else [seen.for_a, seen.for_c])
    exact = 1 - len(np.unique(hashes)) / len(hashes)
    sample = some(torch.arange(len(seen)), SAMPLE, 1)
    nearest = torch.stack([_nearest(side[sample]) for side in (seen.for_a, seen.for_c)])
    typical = nearest.median(1, keepdim=True).values
    near = float((nearest <= NEAR * typical).all(0).double().mean()) if bool((typical > 0).all()) else exact
    numbers = {"exact_share": exact, "near_share_of_sample": near}
    if max(exact, near) < 0.01:
        return Finding("repeats", "ok", f"{exact:.1%} of the samples repeat another.", "", numbers)
    text = f"{exact:.1%} of the samples repeat another exactly, {near:.1%} of {len(sample)} looked at but for rounding."
    return Finding("repeats", "warning", text, "leave repeats out unless they are meant as weights", numbers)


def _nearest(rows: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """The distance of each row to the nearest other."""
    rows = rows.double()
    squares = squared_distances(rows, rows)
    squares.fill_diagonal_(torch.inf)
    return squares.amin(1).sqrt() if len(rows) > 1 else rows.new_ones(1)


def dimensions(rows: Float[Tensor, "m d"], name: str) -> Finding:
    """Constant dimensions, and the effective rank: exp of the entropy of the spectrum (Roy and Vetterli 2007)."""
    sample = some(rows, SAMPLE, 2).double()
    centred = sample - sample.mean(0)
    size = centred.square().mean(0).sqrt()
    constant = int((size <= 1e-6 * sample.abs().amax(0).clamp_min(1e-30)).sum())
    spectrum = torch.linalg.eigvalsh(centred.T @ centred).clamp_min(0)
    share = (spectrum / spectrum.sum().clamp_min(1e-300)).clamp_min(1e-300)
    rank = float(torch.exp(-(share * share.log()).sum()))
    numbers = {"width": rows.shape[1], "constant": constant, "effective_rank": rank}
    text = f"{name}: {constant} of {rows.shape[1]} dimensions are constant, the effective rank is {rank:.1f}."
    most = min(rows.shape[1], len(sample) - 1)
    if bool(size.max() == 0) or (rank < 1.5 and most > 2):
        remedy = "the model gives the same embedding to all: is it the right file, and the pooled output?"
        return Finding(f"dimensions_{name}", "error", text, remedy, numbers)
    if constant or rank < 0.02 * most:
        remedy = "a collapsed side tells few samples apart: look whether the embeddings are those of the trained model"
        return Finding(f"dimensions_{name}", "warning", text, remedy, numbers)
    return Finding(f"dimensions_{name}", "ok", text, "", numbers)


def norms(rows: Rows, name: str) -> Finding:
    """Whether rows have norm one, and how unlike their norms are, as they were given."""
    found = torch.cat([torch.linalg.vector_norm(block.double(), dim=1) for block in _blocks(rows)])
    low, high = float(found.min()), float(found.max())
    numbers = {"least": low, "median": float(found.median()), "most": high}
    if max(abs(low - 1), abs(high - 1)) < 1e-3:
        return Finding(f"norms_{name}", "ok", f"{name}: all rows have norm one.", "", numbers)
    text = f"{name}: norms reach from {low:.3g} to {high:.3g}, not one."
    if low < 1e-3 * float(found.median()) or high > 1e3 * float(found.median()):
        return Finding(
            f"norms_{name}", "warning", text, "look at the rows of extreme norm: they may be broken", numbers
        )
    return Finding(f"norms_{name}", "ok", text, "", numbers)


def far_rows(rows: Float[Tensor, "m d"], name: str) -> Finding:
    """Rows far from the rest: by distance from the centre, against how distances spread."""
    distance = (rows - rows.mean(0)).norm(dim=1).double()
    middle = distance.median()
    spread = (distance - middle).abs().median().clamp_min(1e-6 * middle.clamp_min(1e-30))
    far = (distance - middle) / spread > FAR
    count = int(far.sum())
    numbers = {"rows": count, "farthest_in_deviations": float((distance.max() - middle) / spread)}
    if not count:
        return Finding(f"far_rows_{name}", "ok", f"{name}: no row is far from the rest.", "", numbers)
    text = f"{name}: {count} of {len(rows)} rows are far from the rest, row {int(distance.argmax())} most."
    return Finding(f"far_rows_{name}", "warning", text, "look at these samples: are they of this modality?", numbers)


def texts_cut(texts: Sequence[str], cut: Sequence[str] | None) -> Finding:
    """Texts that are equal, or became equal because a tokenizer cut them; `cut` is what each model was shown."""
    if cut is not None and len(cut) != len(texts):
        raise InputError(f"cut_texts must hold one text per text: got {len(cut)} for {len(texts)}; give both in order")
    equal = len(texts) - len(set(texts))
    became = 0 if cut is None else len(set(texts)) - len(set(cut))
    numbers = {"equal": equal, "became_equal": became}
    if not equal and became <= 0:
        return Finding("texts", "ok", f"All {len(texts)} texts differ, also as the models saw them.", "", numbers)
    text = f"{equal} of {len(texts)} texts are another's, {max(became, 0)} more became so when they were cut."
    return Finding("texts", "warning", text, "shorten texts where they still differ, and leave repeats out", numbers)


def _blocks(rows: Rows) -> Iterator[Tensor]:
    for start in range(0, len(rows), BLOCK):
        yield rows.read(start, min(start + BLOCK, len(rows))).detach().cpu()
