"""A page to look and listen: spoken queries, and the images that each method retrieves for them."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import torch
from matplotlib import colormaps
from PIL import Image
from torch import Tensor

from ucl.experiments.bridging.scoring import scores_of
from ucl.experiments.bridging.suite import TASKS, Suite
from ucl.files import write_text
from ucl.media.audio import RATE
from ucl.reporting.document import data_uri
from ucl.reporting.names import BRIDGING_LABELS
from ucl.reporting.templates import templates
from ucl.runtime import generator
from ucl.statistics.retrieval import candidate_sets

__all__ = ["Query", "choose_queries", "image_uri", "render_gallery", "sound_uri", "spectrogram_uri"]

SHOWN = {m: BRIDGING_LABELS[m] for m in ("direct_disparate", "monte_carlo_disparate", "direct_joint")}
TOP = 5


@dataclass(frozen=True)
class Query:
    """A spoken query, and per method the ids and labels of its best candidates, best first."""

    id: str
    label: str
    source: str
    retrieved: dict[str, list[tuple[str, str]]]

    def right(self, method: str) -> bool:
        return self.retrieved[method][0][1] == self.label


def choose_queries(suite: Suite, size: int, per_label: int, misses: int, seed: int) -> list[Query]:
    """`per_label` random queries of each label, then `misses` random ones of those that the LogSumExp gets wrong."""
    task = TASKS[0]
    queries, candidates = suite.tested(task.query), suite.tested(task.candidate)
    sets = candidate_sets(queries["label"].tolist(), candidates["label"].tolist(), size, generator(seed, 17))
    if sets is None:
        return []
    scores = {method: next(scores_of(suite, task, method, seed), None) for method in SHOWN}
    best = {m: _best(s, sets) for m, s in scores.items() if s is not None}
    found = [_query(queries.iloc[i], candidates, {m: rows[i] for m, rows in best.items()}) for i in range(len(queries))]
    shuffled = [found[i] for i in torch.randperm(len(found), generator=generator(seed, 19)).tolist()]
    labels = sorted({query.label for query in found})
    chosen = [q for label in labels for q in [s for s in shuffled if s.label == label][:per_label]]
    wrong = [q for q in shuffled if not q.right("monte_carlo_disparate") and q not in chosen]
    return [*chosen, *wrong[:misses]]


def _best(scores: Tensor, sets: Tensor) -> list[list[int]]:
    order = scores.gather(1, sets).argsort(dim=1, descending=True, stable=True)[:, :TOP]
    return sets.gather(1, order).tolist()


def _query(row: pd.Series, candidates: pd.DataFrame, best: dict[str, list[int]]) -> Query:
    pairs = list(zip(candidates["id"], candidates["label"], strict=True))
    return Query(row["id"], row["label"], row["source"], {m: [pairs[i] for i in ids] for m, ids in best.items()})


def render_gallery(
    sections: dict[str, Sequence[Query]],
    candidates: int,
    audio: Callable[[str, str], str],
    spectrogram: Callable[[str, str], str],
    image: Callable[[str, str], str],
    path: str | Path,
) -> None:
    """Write the page. `audio`, `spectrogram` and `image` map (suite, id) to data addresses; the page needs no file."""
    page = (
        templates(autoescape=True)
        .get_template("experiments/bridging/gallery.html.j2")
        .render(
            sections=sections, methods=SHOWN, candidates=candidates, audio=audio, spectrogram=spectrogram, image=image
        )
    )
    write_text(page, path)


def sound_uri(samples: np.ndarray, rate: int = RATE) -> str:
    """A WAV of 8 bits, which every browser plays."""
    file = io.BytesIO()
    soundfile.write(file, samples / max(float(np.abs(samples).max()), 1e-6), rate, format="WAV", subtype="PCM_U8")
    return data_uri("audio/wav", file.getvalue())


def spectrogram_uri(spectrum: Tensor) -> str:
    """A log-mel spectrogram [bands, frames] in [-1, 1], low notes at the bottom."""
    colours = colormaps["magma"](((spectrum.flip(0) + 1) / 2).clamp(0, 1).numpy(), bytes=True)[..., :3]
    return _png(Image.fromarray(np.ascontiguousarray(colours)).quantize(64))


def image_uri(pixels: Tensor) -> str:
    """An image [3, h, w] in [-1, 1], dark ink on white."""
    return _png(Image.fromarray((255 * (1 - pixels[0]) / 2).round().byte().numpy()))


def _png(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return data_uri("image/png", file.getvalue())
