"""A student: two small maps to unit vectors whose scaled cosine is the log ratio of A and C."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ucl.core.bridge import Bridge
from ucl.core.prepared import opened
from ucl.core.readers import as_rows
from ucl.distilled.report import Report
from ucl.distilled.towers import SIDES, Towers
from ucl.errors import InputError
from ucl.tensors import write_tensors

if TYPE_CHECKING:
    from ucl.distilled.index import Index

__all__ = ["Student"]

FORMAT = "ucl-student-1"
ROWS = 2**14  # embedded at a time


class Student:
    """What `distill` gives: `scale * <embed_a(a), embed_c(c)>` is the log density ratio of (A, C) up to a constant.

    `report` says how it was chosen, on simulated pairs kept apart, and how LogSumExp does there.
    """

    def __init__(self, towers: Towers, report: Report) -> None:
        self.towers, self.report = towers.eval().requires_grad_(False), report
        self.bridge: Bridge | None = None  # what it was distilled from, where that is known: to rerank with

    @property
    def scale(self) -> float:
        """What to multiply the cosine with."""
        return float(self.towers.log_scale.exp())

    @property
    def width(self) -> int:
        """Of the unit vectors."""
        return self.towers.width

    @property
    def hidden(self) -> int:
        """Width of the two hidden layers; 0 for a linear student."""
        return self.towers.hidden

    def embed_a(self, a: Any) -> Any:
        """Unit vectors [n, width] of embeddings of A [n, d1]: arrays and files give arrays, tensors give tensors."""
        return self._embed("a", a)

    def embed_c(self, c: Any) -> Any:
        """Unit vectors [k, width] of embeddings of C [k, d2], likewise."""
        return self._embed("c", c)

    def score(self, a: Any, c: Any) -> Any:
        """The grid [n, k] of log ratios up to a constant."""
        return self.scale * self.embed_a(a) @ self.embed_c(c).T

    def index(self, c: Any, ids: Sequence[Any] | None = None, *, bridge: Bridge | None = None) -> "Index":
        """An index of candidates [k, d2] for `search`; ids are those of the file if it has some. Needs FAISS."""
        from ucl.distilled.index import Index

        return Index.build(self, c, ids, bridge or self.bridge)

    def save(self, path: str | Path) -> None:
        """Write as sealed safetensors."""
        about = {"inputs": self.towers.inputs, "hidden": self.hidden, "width": self.width}
        about |= {"report": self.report.to_json()}
        write_tensors(self.towers.state_dict(), path, {FORMAT: json.dumps(about)})

    @staticmethod
    def load(path: str | Path, device: str = "cpu") -> "Student":
        """Read what `save` wrote; InputError where a byte of it has changed."""
        with opened(path, FORMAT, "student", "Student.save") as (file, metadata):
            about = json.loads(metadata[FORMAT])
            d1, d2 = about["inputs"]
            towers = Towers([torch.Generator()], (d1, d2), about["hidden"], about["width"])
            towers.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
            return Student(towers.to(device), Report.from_json(about["report"]))

    def _embed(self, side: str, x: Any) -> Any:
        rows, width = as_rows(x, side), self.towers.inputs[SIDES.index(side)]
        if rows.shape[1] != width:
            raise InputError(
                f"{side} must have the width the student learned from, {width}: got {rows.shape[1]}; "
                "embed with the same model"
            )
        parts = []
        for start in range(0, len(rows), ROWS):
            block = rows.read(start, min(start + ROWS, len(rows))).to(self.towers.log_scale)
            parts.append(self.towers.encode(side, block[None])[0])
        vectors = torch.cat(parts)
        return vectors.to(x.device) if isinstance(x, Tensor) else vectors.cpu().numpy()
