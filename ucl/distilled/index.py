"""An index of C: candidates by the student's vectors (FAISS), order by the exact bridge."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ucl.core.bridge import Bridge
from ucl.core.readers import Rows, as_rows
from ucl.distilled import reranking
from ucl.distilled.student import Student
from ucl.errors import InputError
from ucl.extras import needs
from ucl.files import digest, read_json, replacing, write_json

__all__ = ["Found", "Index"]

FORMAT = "ucl-index-1"
FLAT = 200_000  # vectors up to which all are compared; above, an inverted file is asked
PROBED = 16  # the part of its lists that is looked into is one in so many
FILES = ("vectors.faiss", "candidates.npy", "student.safetensors", "ids.json")


class Found(NamedTuple):
    """The best candidates per query, best first."""

    ids: Any  # [n, k] ids, or row numbers where the index was given none
    indices: Any  # [n, k] int64 row numbers
    scores: Any  # [n, k] of the bridge (reranked; within the tolerance) or of the student


class Index:
    """`student.index(c, ids=...)`: C's embeddings, their student vectors in FAISS, and the bridge that reranks.

    Raises MissingExtraError without FAISS (`pip install 'ucl[index]'`).
    """

    def __init__(
        self, student: Student, vectors: Any, candidates: Rows, ids: Sequence[Any] | None, bridge: Bridge | None
    ) -> None:
        self.student, self.vectors, self.candidates, self.ids, self.bridge = student, vectors, candidates, ids, bridge

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
        return Index(student, _made(vectors), candidates, None if ids is None else list(ids), bridge)

    def search(
        self, a: Any, k: int = 10, *, rerank: int = 5000, bridge: Bridge | None = None, tolerance: float = 0.01
    ) -> Found:
        """The `k` best candidates of every query [n, d1]; `rerank` of them are put in order by the bridge.

        With `rerank` 0 the student's own order and scores are given. `tolerance`: see `Bridge.score`; a bridge that
        normalises, or a tolerance of 0, is asked for exact scores.
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
            indices, scores = reranking.rerank(bridge, queries, self.candidates, indices, k, tolerance)
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
        write_json({"format": FORMAT, "files": {name: digest(folder / name) for name in FILES}}, folder / "index.json")

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
            sound = about["format"] == FORMAT and set(about["files"]) == set(FILES)
        except (ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            raise InputError(f"{folder / 'index.json'}: expected format {FORMAT}; build the index again")
        for name, expected in about["files"].items():
            if not (folder / name).is_file() or (verify and digest(folder / name) != expected):
                raise InputError(f"{folder / name} is missing or damaged: build the index again")
        vectors = faiss.read_index(str(folder / "vectors.faiss"), faiss.IO_FLAG_MMAP_IFC)
        candidates = as_rows(folder / "candidates.npy", "candidates")
        student = Student.load(folder / "student.safetensors")
        return Index(student, vectors, candidates, json.loads((folder / "ids.json").read_text()), bridge)

    def _nearest(self, queries: Tensor, depth: int) -> tuple[Tensor, Tensor]:
        """Cosines and row numbers of the `depth` nearest vectors; an inverted file may find fewer (-1)."""
        vectors = np.ascontiguousarray(self.student.embed_a(queries).cpu().numpy())
        scores, indices = self.vectors.search(vectors, depth)
        if (indices < 0).any():  # its lists held fewer: look into all of them
            scores, indices = _exhaustive(self.vectors, vectors, depth)
        return torch.from_numpy(scores), torch.from_numpy(indices)


def _made(vectors: np.ndarray) -> Any:
    """A FAISS index by inner product: all vectors compared, or, for many, those of the nearest lists."""
    import faiss

    n, width = vectors.shape
    index: Any
    if n <= FLAT:
        index = faiss.IndexFlatIP(width)
    else:
        lists = int(n**0.5)
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, lists, faiss.METRIC_INNER_PRODUCT)
        index.cp.seed, index.cp.niter = 0, 10
        index.train(vectors[:: max(1, n // (64 * lists))])
        index.nprobe = max(1, lists // PROBED)
    index.add(vectors)
    return index


def _exhaustive(index: Any, vectors: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    before, index.nprobe = index.nprobe, index.nlist
    try:
        scores, indices = index.search(vectors, depth)
    finally:
        index.nprobe = before
    return scores, indices
