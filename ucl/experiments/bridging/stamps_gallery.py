"""A page to hear words and sounds, and to see which pictures each method finds and which captions carried them."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch

from ucl.core.bridge import Bridge
from ucl.experiments.bridging.stamps import Case, answers
from ucl.files import write_text
from ucl.media.decode import read_image
from ucl.reporting.document import data_uri
from ucl.reporting.names import STAMPS_LABELS, STAMPS_PROTOCOLS
from ucl.reporting.templates import templates
from ucl.runtime import generator
from ucl.statistics.retrieval import candidate_sets

__all__ = ["Shown", "choose", "render"]

METHODS = ("monte_carlo", "monte_carlo_normalized", "one_hop", "supervised", "direct")
TOP, CARRIERS, SIDE = 5, 4, 96  # pictures of a method, captions that carry its first, pixels of a picture
KINDS = {".ogg": "audio/ogg", ".wav": "audio/wav"}


@dataclass(frozen=True)
class Shown:
    """A query, per method its best stamps, and the captions that carried LogSumExp's first with their shares."""

    name: str
    found: dict[str, list[str]]
    right: dict[str, bool]
    carriers: list[tuple[str, float]]


def choose(case: Case, groups: Mapping[str, str], size: int, count: int, seed: int) -> list[Shown]:
    """`count` random queries of a protocol among one set of candidates; no distilled bridge, which would be trained."""
    labels = [groups[name] for name in case.names]
    sets = candidate_sets(labels, labels, min(size, len(set(labels))), generator(seed, 48))
    if sets is None:
        return []
    scores = {name: each for name, each in answers(replace(case, samples=None), seed) if name in METHODS}
    bridge = Bridge(case.ab, case.bc, case.bank, normalize=False)
    shown = []
    for i in torch.randperm(len(labels), generator=generator(seed, 49))[:count].tolist():
        best = {
            name: sets[i][each[i, sets[i]].argsort(descending=True)[:TOP]].tolist() for name, each in scores.items()
        }
        carried = bridge.explain(case.a[i], case.c[best["monte_carlo"][0]], top=CARRIERS)
        shown.append(
            Shown(
                case.names[i],
                {name: [case.names[j] for j in places] for name, places in best.items()},
                {name: labels[places[0]] == labels[i] for name, places in best.items()},
                list(zip(map(str, carried.names), carried.shares, strict=True)),
            )
        )
    return shown


def render(sections: Mapping[str, Sequence[Shown]], items: pd.DataFrame, candidates: int, path: str | Path) -> None:
    """Write the page; pictures and recordings are in it."""
    rows = items.set_index("name").to_dict("index")
    names = {name for part in sections.values() for one in part for found in one.found.values() for name in found}
    page = (
        templates(autoescape=True)
        .get_template("experiments/bridging/stamps_gallery.html.j2")
        .render(
            sections=sections,
            protocols={name: label.replace("\n", " ") for name, label in STAMPS_PROTOCOLS.items()},
            methods={name: STAMPS_LABELS[name] for name in METHODS},
            candidates=candidates,
            stamps=rows,
            pictures={name: _picture(rows[name]["image"]) for name in sorted(names)},
            sound=_sound,
        )
    )
    write_text(page, path)


def _picture(path: str) -> str:
    image = read_image(path)
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return data_uri("image/jpeg", file.getvalue())


def _sound(path: str) -> str:
    return data_uri(KINDS[Path(path).suffix], Path(path).read_bytes())
