"""What the frozen networks make of all stamps, in files with a checksum: made once, trained on many times."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ucl.stamps.towers import Classes
from ucl.tensors import read_about, read_tensors, write_tensors

__all__ = ["Features", "read_features", "write_features"]


@dataclass(frozen=True)
class Features:
    """One row [d] or sequence [t, d] per item; the network's classes, where it has some; and why items failed."""

    rows: Mapping[str, Tensor]
    classes: Classes | None
    failed: Mapping[str, str]


def write_features(features: Features, path: str | Path) -> None:
    """One safetensors file: all rows one below the other, and how many each item has."""
    rows = [row if row.ndim == 2 else row[None] for row in features.rows.values()]
    tensors = {"rows": torch.cat(rows), "lengths": torch.tensor([len(row) for row in rows])}
    if features.classes is not None:
        tensors |= {f"classes.{part}": getattr(features.classes, part) for part in ("weight", "bias", "names")}
    sequences = any(row.ndim == 2 for row in features.rows.values())
    about = {"names": list(features.rows), "failed": dict(features.failed), "sequences": sequences}
    write_tensors(tensors, path, {"about": json.dumps(about)})


def read_features(path: str | Path) -> Features:
    """What `write_features` wrote."""
    tensors, about = read_tensors(path), json.loads(read_about(path)["about"])
    parts: Sequence[Tensor] = tensors["rows"].split(tensors["lengths"].tolist())
    rows = {n: part if about["sequences"] else part[0] for n, part in zip(about["names"], parts, strict=True)}
    classes = None
    if "classes.weight" in tensors:
        classes = Classes(*(tensors[f"classes.{part}"] for part in ("weight", "bias", "names")))
    return Features(rows, classes, about["failed"])
