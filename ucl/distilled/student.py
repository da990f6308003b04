"""A student, two small maps to unit vectors whose scaled cosine is the log ratio of A and C, and an index by them."""

import json
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ucl.core.arguments import check_count
from ucl.core.bridge import Bridge
from ucl.core.fingerprint import fingerprint
from ucl.core.prepared import opened
from ucl.core.readers import Rows, as_rows, check_columns, concatenate, rows_between, single
from ucl.distilled import nearest
from ucl.distilled.index_folder import OWN, STUDENT, IndexPart, describe, folders_of, read_part, shard_in, write_part
from ucl.distilled.report import Report
from ucl.distilled.reranking import TOLERANCE, Reranker, Survey
from ucl.distilled.seen import Seen
from ucl.distilled.shards import Shard, in_order, mark
from ucl.distilled.towers import SIDES, Towers
from ucl.errors import InputError
from ucl.extras import needs
from ucl.files import replacing_folder
from ucl.tensors import write_tensors

__all__ = ["Found", "Index", "Student"]

FORMAT = "ucl-student-1"
ROWS = 2**14  # embedded at a time
UNIT = 1e-3  # how far from one the norm of a vector may be


class Student:
    """What `distill` gives: `scale * <embed_a(a), embed_c(c)>` is the log density ratio of (A, C) up to a constant.

    `report` says how it was chosen, on simulated pairs kept apart, and how LogSumExp does there.
    """

    def __init__(self, towers: Towers, report: Report) -> None:
        self.towers, self.report = towers.eval().requires_grad_(False), report
        self.bridge: Bridge | None = None  # what it was distilled from, where that is known: to rerank with
        self.seen: dict[str, Seen] = {}  # what each side's samples were, where that is known

    def __repr__(self) -> str:
        kind = f"two hidden layers of {self.hidden}" if self.hidden else "linear"
        d1, d2 = self.towers.inputs
        weak = ", weak" if self.report.weak else ""
        return f"Student({kind}, from {d1} and {d2} to {self.width} wide, scale {self.scale:.4g}{weak})"

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

    def index(
        self,
        c: Any,
        ids: Sequence[Any] | None = None,
        *,
        bridge: Bridge | None = None,
        shard: tuple[int, int] | None = None,
    ) -> "Index":
        """An index of candidates [k, d2] for `search`; ids are those of the file if it has some. Needs FAISS.

        The bridge, where there is one, is asked once about every candidate, so that reranking reads little of its bank.
        With `shard` (i, n) it is one of the i-th of n parts of the candidates, and reads no others: to be saved, and
        opened with all of them (`Index.open`). `ids` are still those of all candidates.
        """
        return Index.build(self, c, ids, bridge or self.bridge, shard)

    def fingerprint(self) -> str:
        """Digest of its shape and of the numbers it has learned."""
        learned = torch.cat([numbers.flatten() for numbers in self.towers.state_dict().values()]).cpu()
        return f"{self.towers.inputs} {self.hidden} {self.width} {fingerprint(learned[None])}"

    def save(self, path: str | Path) -> None:
        """Write as sealed safetensors."""
        about = {"inputs": self.towers.inputs, "hidden": self.hidden, "width": self.width}
        about |= {"report": self.report.to_json(), "seen": {side: one.to_json() for side, one in self.seen.items()}}
        write_tensors(self.towers.state_dict(), path, {FORMAT: json.dumps(about)})

    @staticmethod
    def load(path: str | Path, device: str = "cpu") -> "Student":
        """Read what `save` wrote; InputError where a byte of it has changed."""
        with opened(path, FORMAT, "student", "Student.save") as (file, metadata):
            about = json.loads(metadata[FORMAT])
            d1, d2 = about["inputs"]
            towers = Towers([torch.Generator()], (d1, d2), about["hidden"], about["width"])
            towers.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
            student = Student(towers.to(device), Report.from_json(about["report"]))
            student.seen = {side: Seen.from_json(one) for side, one in about.get("seen", {}).items()}
            return student

    def check_columns(self, a: Rows | None = None, c: Rows | None = None) -> None:
        """Raise where a table has the columns of what it learned from in another order."""
        for side, rows in zip(SIDES, (a, c), strict=True):
            if rows is not None and side in self.seen:
                self.seen[side].check_columns(rows)

    def _embed(self, side: str, x: Any) -> Any:
        rows, width = as_rows(x, side), self.towers.inputs[SIDES.index(side)]
        if rows.shape[1] != width:
            raise InputError(
                f"{side} must have the width the student learned from, {width}: got {rows.shape[1]}; "
                "embed with the same model"
            )
        self.check_columns(**{side: rows})
        parts = []
        for start in range(0, len(rows), ROWS):
            block = single(rows.read(start, min(start + ROWS, len(rows))), side).to(self.towers.log_scale)
            if side in self.seen:
                self.seen[side].check_norms(rows, block)
            parts.append(self.towers.encode(side, block[None])[0])
        vectors = torch.cat(parts)
        off = (torch.linalg.vector_norm(vectors, dim=1) - 1).abs() > UNIT
        if bool(off.any()):
            raise InputError(
                f"{side}: row {int(off.nonzero()[0, 0])} is too far from all that the student learned from to be "
                "embedded; remove it, or embed it again"
            )
        return vectors.to(x.device) if isinstance(x, Tensor) else vectors.cpu().numpy()


class Found(NamedTuple):
    """The best candidates per query, best first."""

    ids: Any  # [n, k] ids, or row numbers where the index was given none
    indices: Any  # [n, k] int64 row numbers
    scores: Any  # [n, k] of the bridge (reranked; within the tolerance) or of the student


class Index:
    """`student.index(c, ids=...)`: C's embeddings, their student vectors in FAISS, and the bridge that reranks.

    `parts` are what it was made from: one that holds all candidates, or the shards of them in their order.

    Raises InputError where shards do not go together, MissingExtraError without FAISS (`pip install 'ucl[index]'`).
    """

    def __init__(self, student: Student, parts: Sequence[IndexPart], bridge: Bridge | None) -> None:
        self.student, self.parts, self.bridge = student, parts, bridge
        self.candidates = concatenate([part.candidates for part in parts])
        named = [part.ids for part in parts if part.ids is not None]
        if len(named) not in (0, len(parts)):
            raise InputError(f"shards to search must all have ids, or none: got {len(named)} of {len(parts)} with ids")
        self.ids = list(chain(*named)) if named else None
        self.survey = Survey.joined([part.survey for part in parts])
        self._reranker: Reranker | None = None  # of the last search
        self._made_for: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        shard = self.parts[0].shard
        part = f"shard {shard} of an index, " if shard is not None and shard.count != len(self.parts) else ""
        return f"Index({part}{len(self)} candidates{', with ids' * (self.ids is not None)}, by {self.student})"

    def __len__(self) -> int:
        return len(self.candidates)

    @staticmethod
    def build(
        student: Student,
        c: Any,
        ids: Sequence[Any] | None = None,
        bridge: Bridge | None = None,
        shard: tuple[int, int] | None = None,
    ) -> "Index":
        """Embed candidates [k, d2] (an array or a file, read a block at a time), or a shard of them, and index them."""
        needs("index", "faiss")
        every = as_rows(c, "c")
        if ids is not None and len(ids) != len(every):
            raise InputError(f"ids must name every candidate: got {len(ids)} ids for {len(every)} rows")
        own = None if shard is None else Shard(*shard, len(every), mark(every), student.fingerprint())
        start, stop = (0, len(every)) if own is None else own.range
        if ids is None and (named := every.ids_between(start, stop)) is not None:
            ids = named.to_pylist()
        elif ids is not None:
            ids = list(ids[start:stop])
        if bridge is not None:
            student.check_columns(bridge.bank.for_a, bridge.bank.for_c)
            check_columns(every, bridge.bank.for_c)
        if ids is not None and None in ids:
            raise InputError(f"ids must name every candidate: row {start + ids.index(None)} has none; give it one")
        candidates = every if own is None else rows_between(every, start, stop)
        vectors = np.ascontiguousarray(np.asarray(student.embed_c(candidates)), dtype=np.float32)
        if candidates.in_memory:  # its own, as its vectors are: an array may change, and they would not
            candidates = as_rows(candidates.read(0, len(candidates)).detach().clone(), "c")
        survey = None if bridge is None else Survey.of(bridge, candidates, sys.stderr.isatty())
        return Index(student, [IndexPart(nearest.made(vectors, len(every)), candidates, ids, survey, own)], bridge)

    def search(
        self, a: Any, k: int = 10, *, rerank: int = 5000, bridge: Bridge | None = None, tolerance: float = TOLERANCE
    ) -> Found:
        """The `k` best candidates of every query [n, d1]; `rerank` of them are put in order by the bridge.

        With `rerank` 0 the student's own order and scores are given. `tolerance` in nats is that of `Bridge.score`.
        With 0, or for a bridge that normalises and is not the one the index was built with, scores are exact.
        Over shards the answers are those of one index; each shard looks into its own lists, where it has lists.
        """
        self._check_whole()
        bridge = bridge or self.bridge
        check_count(k, "k", len(self), "candidates")
        depth = min(len(self), max(k, rerank))
        if rerank and bridge is None:
            raise InputError("reranking needs the bridge: give bridge=..., or rerank=0 for the student's own order")
        rows = as_rows(a, "a")
        self.student.check_columns(rows)
        if bridge is not None:
            self.student.check_columns(bridge.bank.for_a, bridge.bank.for_c)
            check_columns(rows, bridge.bank.for_a)
        queries = rows.read(0, len(rows)).detach().cpu()
        scores, indices = self._nearest(queries, depth)
        if rerank and bridge is not None:
            indices, scores = self._reranks(bridge, tolerance)(queries, self.candidates, indices, k)
        else:
            indices, scores = indices[:, :k], self.student.scale * scores[:, :k]
        named = indices if self.ids is None else [[self.ids[i] for i in row] for row in indices.tolist()]
        return Found(named, indices, scores)

    def save(self, folder: str | Path) -> None:
        """Write a folder: vectors, candidates, student and ids, and their digests; `open` maps it into memory.

        It is built beside the one that is there, and takes its place at the end.
        """
        if len(self.parts) > 1:
            raise InputError(f"an index of {len(self.parts)} shards is saved already: copy their folders")
        with replacing_folder(folder, OWN, "an index") as beside:
            self.student.save(beside / STUDENT)
            write_part(self.parts[0], beside)

    @staticmethod
    def open(
        folder: str | Path | Sequence[str | Path], bridge: Bridge | None = None, *, verify: bool = True
    ) -> "Index":
        """Open what `save` wrote, memory-mapped; `verify` compares every file with its digest, which reads it once.

        Of an index in shards give all their folders, in any order, or the folder they lie in. Raises InputError where
        one is missing or comes twice, or is of other candidates or of another student.
        """
        needs("index", "faiss")
        given = [folder] if isinstance(folder, str | Path) else folder
        folders = [one for path in given for one in folders_of(Path(path))]
        abouts = {one: describe(one) for one in folders}
        ordered = in_order([(one, shard_in(abouts[one])) for one in folders])
        student = Student.load(ordered[0] / STUDENT)
        return Index(student, [read_part(one, abouts[one], verify) for one in ordered], bridge)

    def _check_whole(self) -> None:
        """Raise where it is a shard of candidates whose others are not here."""
        shard = self.parts[0].shard
        if shard is not None and shard.count != len(self.parts):
            raise InputError(
                f"this is shard {shard} of an index: it is not searched alone; save all shards and open them together"
            )

    def _reranks(self, bridge: Bridge, tolerance: float) -> Reranker:
        """Kept from one search to the next, as long as the bank is the same: to make it reads the bank."""
        known = bridge.bank.in_memory or bridge.bank.digest is not None
        mark = bridge.candidates_key() if known else ""
        key = (bridge, tolerance, bridge.normalize, bridge.ab.number, mark)
        if self._reranker is None or self._made_for != key:
            self._reranker, self._made_for = Reranker(bridge, tolerance, self.survey), key
        return self._reranker

    def _nearest(self, queries: Tensor, depth: int) -> tuple[Tensor, Tensor]:
        """Cosines and row numbers of the `depth` nearest vectors."""
        vectors = np.ascontiguousarray(self.student.embed_a(queries).cpu().numpy())
        scores, indices = nearest.searched_all([part.vectors for part in self.parts], vectors, depth)
        return torch.from_numpy(scores), torch.from_numpy(indices)
