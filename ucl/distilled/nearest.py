"""Unit vectors in FAISS: all compared, or, where they are many, those of the nearest lists."""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["FLAT", "LEARNED", "PROBED", "ROUNDS", "lists_of", "made", "searched", "searched_all"]

FLAT = 200_000  # vectors up to which all are compared; above, an inverted file is asked
PROBED = 16  # the part of its lists that is looked into is one in so many
LEARNED = 64  # vectors for each list, from which lists are learned
ROUNDS = 10  # of learning them


def made(vectors: np.ndarray, every: int = 0) -> Any:
    """A FAISS index by inner product: all vectors compared, or, for many, those of the nearest lists.

    `every` says of how many vectors these are a shard: its lists are as many as theirs, and so as fine, where it has
    vectors enough to learn them. Coarser ones find less in the same part of the vectors.
    """
    import faiss

    n, width = vectors.shape
    index: Any
    if n <= FLAT:
        index = faiss.IndexFlatIP(width)
    else:
        lists = lists_of(n, every)
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, lists, faiss.METRIC_INNER_PRODUCT)
        index.cp.seed, index.cp.niter = 0, ROUNDS
        index.train(vectors[:: max(1, n // (LEARNED * lists))])
        index.nprobe = max(1, lists // PROBED)
    index.add(vectors)
    return index


def lists_of(n: int, every: int = 0) -> int:
    """The lists of `n` vectors, a shard of `every` (or all, if that is fewer); 0 where all are compared."""
    return 0 if n <= FLAT else max(int(n**0.5), min(int(every**0.5), n // LEARNED))


def searched(index: Any, vectors: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and row numbers of the `depth` nearest; where the lists looked into hold fewer, all are."""
    scores, indices = index.search(vectors, depth)
    return _exhaustive(index, vectors, depth) if (indices < 0).any() else (scores, indices)


def searched_all(indexes: Sequence[Any], vectors: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """As `searched`, in several indexes, whose rows are numbered one after the other; of equals the first is first.

    `depth` is at most the number of all their vectors. What two indexes found is held at a time.
    """
    if len(indexes) == 1:
        return searched(indexes[0], vectors, depth)
    scores, rows, start = np.empty((len(vectors), 0), np.float32), np.empty((len(vectors), 0), np.int64), 0
    for index in indexes:
        more, found = searched(index, vectors, min(depth, index.ntotal))
        scores, rows = np.concatenate([scores, more], 1), np.concatenate([rows, found + start], 1)
        best = np.lexsort((rows, -scores))[:, :depth]
        scores, rows = np.take_along_axis(scores, best, 1), np.take_along_axis(rows, best, 1)
        start += index.ntotal
    return scores, rows


def _exhaustive(index: Any, vectors: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    before, index.nprobe = index.nprobe, index.nlist
    try:
        scores, indices = index.search(vectors, depth)
    finally:
        index.nprobe = before
    return scores, indices
