"""A student, two small maps to unit vectors whose scaled cosine is the log ratio of A and C, and an index by them."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ucl.core.bridge import Bridge
from ucl.core.prepared import opened
from ucl.core.readers import Rows, as_rows
from ucl.distilled import nearest
from ucl.distilled.report import Report
from ucl.distilled.reranking import TOLERANCE, Reranker, Survey
from ucl.distilled.towers import SIDES, Towers
from ucl.errors import InputError
from ucl.extras import needs
from ucl.files import digest, read_json, replacing, write_json
from ucl.tensors import write_tensors

__all__ = ["Found", "Index", "Student"]

FORMAT, INDEX_FORMAT = "ucl-student-1", "ucl-index-2"
FILES = ("vectors.faiss", "candidates.npy", "student.safetensors", "ids.json", "survey.npy")  # of an index
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
        """An index of candidates [k, d2] for `search`; ids are those of the file if it has some. Needs FAISS.

        The bridge, where there is one, is asked once about every candidate, so that reranking reads little of its bank.
        """
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


class Found(NamedTuple):
    """The best candidates per query, best first."""

    ids: Any  # [n, k] ids, or row numbers where the index was given none
    indices: Any  # [n, k] int64 row numbers
    scores: Any  # [n, k] of the bridge (reranked; within the tolerance) or of the student


class Index:
    """`student.index(c, ids=...)`: C's embeddings, their student vectors in FAISS, and the bridge that reranks.

    `survey` is what that bridge's bank says of every candidate (None: not asked).

    Raises MissingExtraError without FAISS (`pip install 'ucl[index]'`).
    """

    def __init__(
        self,
        student: Student,
        vectors: Any,
        candidates: Rows,
        ids: Sequence[Any] | None,
        bridge: Bridge | None,
        survey: Survey | None = None,
    ) -> None:
        self.student, self.vectors, self.candidates, self.ids, self.bridge = student, vectors, candidates, ids, bridge
        self.survey = survey
        self._reranker: Reranker | None = None  # of the last search

    def __len__(self) -> int:
        return len(self.candidates)

    @staticmethod
    def build(student: Student, c: Any, ids: Sequence[Any] | None = None, bridge: Bridge | None = None) -> "Index":
        """Embed candidates [k, d2] (an array or a file, read a block at a time) and index them."""
        needs("index", "faiss")
        candidates = as_rows(c, "c")
        if ids is None and (named := candidates.ids()) is not None:
            ids = named.to_pylist()
        if ids is not None and len(ids) != len(candidates):
            raise InputError(f"ids must name every candidate: got {len(ids)} ids for {len(candidates)} rows")
        vectors = np.ascontiguousarray(np.asarray(student.embed_c(candidates)), dtype=np.float32)
        survey = None if bridge is None else Survey.of(bridge, candidates, sys.stderr.isatty())
        return Index(student, nearest.made(vectors), candidates, None if ids is None else list(ids), bridge, survey)

    def search(
        self, a: Any, k: int = 10, *, rerank: int = 5000, bridge: Bridge | None = None, tolerance: float = TOLERANCE
    ) -> Found:
        """The `k` best candidates of every query [n, d1]; `rerank` of them are put in order by the bridge.

        With `rerank` 0 the student's own order and scores are given. `tolerance` in nats is that of `Bridge.score`.
        With 0, or for a bridge that normalises and is not the one the index was built with, scores are exact.
        """
        bridge = bridge or self.bridge
        depth = min(len(self), max(k, rerank))
        if not 1 <= k <= len(self):
            raise InputError(f"k must be between 1 and the number of candidates, {len(self)}: got {k}")
        if rerank and bridge is None:
            raise InputError("reranking needs the bridge: give bridge=..., or rerank=0 for the student's own order")
        rows = as_rows(a, "a")
        queries = rows.read(0, len(rows)).detach().cpu()
        scores, indices = self._nearest(queries, depth)
        if rerank and bridge is not None:
            indices, scores = self._reranks(bridge, tolerance)(queries, self.candidates, indices, k)
        else:
            indices, scores = indices[:, :k], self.student.scale * scores[:, :k]
        named = indices if self.ids is None else [[self.ids[i] for i in row] for row in indices.tolist()]
        return Found(named, indices, scores)

    def save(self, folder: str | Path) -> None:
        """Write a folder: vectors, candidates, student and ids, and their digests; `open` maps it into memory."""
        import faiss

        folder = Path(folder)
        with replacing(folder / "vectors.faiss") as temporary:
            faiss.write_index(self.vectors, str(temporary))
        with replacing(folder / "candidates.npy") as temporary:
            np.save(temporary, self.candidates.read(0, len(self)).detach().cpu().numpy(), allow_pickle=False)
        self.student.save(folder / "student.safetensors")
        write_json(self.ids, folder / "ids.json")
        with replacing(folder / "survey.npy") as temporary:
            np.save(temporary, np.zeros((0, 2)) if self.survey is None else self.survey.values, allow_pickle=False)
        about = {"format": INDEX_FORMAT, "survey": None if self.survey is None else self.survey.bridge}
        write_json(about | {"files": {name: digest(folder / name) for name in FILES}}, folder / "index.json")

    @staticmethod
    def open(folder: str | Path, bridge: Bridge | None = None, *, verify: bool = True) -> "Index":
        """Open what `save` wrote, memory-mapped; `verify` compares every file with its digest, which reads it once."""
        needs("index", "faiss")
        import faiss

        folder = Path(folder)
        if not (folder / "index.json").is_file():
            raise InputError(f"no index in {folder}: index.json is missing; make it with `ucl index build`")
        try:
            about = read_json(folder / "index.json")
            sound = about["format"] == INDEX_FORMAT and set(about["files"]) == set(FILES) and "survey" in about
        except (ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            raise InputError(f"{folder / 'index.json'}: expected format {INDEX_FORMAT}; build the index again")
        for name, expected in about["files"].items():
            if not (folder / name).is_file() or (verify and digest(folder / name) != expected):
                raise InputError(f"{folder / name} is missing or damaged: build the index again")
        vectors = faiss.read_index(str(folder / "vectors.faiss"), faiss.IO_FLAG_MMAP_IFC)
        candidates = as_rows(folder / "candidates.npy", "candidates")
        student = Student.load(folder / "student.safetensors")
        ids, survey = json.loads((folder / "ids.json").read_text()), None
        if about["survey"] is not None:
            survey = Survey(np.load(folder / "survey.npy", mmap_mode="r", allow_pickle=False), about["survey"])
        return Index(student, vectors, candidates, ids, bridge, survey)

    def _reranks(self, bridge: Bridge, tolerance: float) -> Reranker:
        """Kept from one search to the next: to make it reads the bank."""
        last = self._reranker
        if last is None or last.bridge is not bridge or last.tolerance != tolerance:
            last = self._reranker = Reranker(bridge, tolerance, self.survey)
        return last

    def _nearest(self, queries: Tensor, depth: int) -> tuple[Tensor, Tensor]:
        """Cosines and row numbers of the `depth` nearest vectors."""
        vectors = np.ascontiguousarray(self.student.embed_a(queries).cpu().numpy())
        scores, indices = nearest.searched(self.vectors, vectors, depth)
        return torch.from_numpy(scores), torch.from_numpy(indices)
