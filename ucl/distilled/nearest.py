"""Unit vectors in FAISS: all compared, or, where they are many, those of the nearest lists."""

from typing import Any

import numpy as np

__all__ = ["made", "searched"]

FLAT = 200_000  # vectors up to which all are compared; above, an inverted file is asked
PROBED = 16  # the part of its lists that is looked into is one in so many


def made(vectors: np.ndarray) -> Any:
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


def searched(index: Any, vectors: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and row numbers of the `depth` nearest; where the lists looked into hold fewer, all are."""
    scores, indices = index.search(vectors, depth)
    return _exhaustive(index, vectors, depth) if (indices < 0).any() else (scores, indices)


def _exhaustive(index: Any, vectors: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    before, index.nprobe = index.nprobe, index.nlist
    try:
        scores, indices = index.search(vectors, depth)
    finally:
        index.nprobe = before
    return scores, indices
