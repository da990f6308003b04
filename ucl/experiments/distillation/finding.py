"""The index: how many of the exact bridge's ten best are among those that are reranked, and how long that takes."""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize
from tqdm import tqdm

from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.core.critics import Cosine
from ucl.core.readers import as_rows
from ucl.distilled import nearest
from ucl.distilled.distil import CAPACITIES, distill
from ucl.distilled.report import weak_allowed
from ucl.distilled.reranking import TOLERANCE, Reranker, Survey
from ucl.distilled.training import Settings
from ucl.experiments.distillation.config import Finding
from ucl.runtime import generator
from ucl.worlds.kinds import KindsWorld

__all__ = ["find"]

BEST = 10
Search = Callable[[Float[Tensor, "1 d1"], int], tuple[np.ndarray, np.ndarray]]


def find(params: Finding, steps: int, progress: bool = True) -> pd.DataFrame:
    """A table way, depth, query, recall (of the exact ten best), milliseconds (of one query, reranking included).

    The exact bridge normalises, as is the default, and was asked once about every candidate when the index was made.
    """
    random = generator(0, 41)
    world = KindsWorld.at_random(params.kinds, params.width, params.noise, random)
    bank = Bank(*world.bank(params.bank, random))
    ab, bc = (Cosine(scale) for scale in params.scales)
    bridge = Bridge(ab, bc, bank)
    queries, c = world.sample(0, params.queries, random), world.sample(1, params.candidates, random)
    samples = [world.sample(side, params.samples, random) for side in (0, 1)]
    candidates = as_rows(c, "c")
    exact = bridge.retrieve(queries, c, BEST, progress=False).indices
    rerank = Reranker(bridge, TOLERANCE, Survey.of(bridge, candidates, progress))
    rows = []
    for way, search in _searches(bridge, samples, c, steps).items():
        for depth in tqdm(params.depths, f"distillation, index, {way}", unit="depth", disable=not progress):
            for place, query in enumerate(queries.split(1)):
                start = time.perf_counter()
                found = torch.from_numpy(search(query, depth)[1])
                best = rerank(query, candidates, found, min(BEST, depth))[0][0]
                spent = 1000 * (time.perf_counter() - start)
                rows.append((way, depth, place, float(torch.isin(exact[place], best).double().mean()), spent))
    return pd.DataFrame(rows, columns=["way", "depth", "query", "recall", "milliseconds"])


def _searches(bridge: Bridge, samples: list[Tensor], c: Tensor, steps: int) -> dict[str, Search]:
    """Students' vectors, and C's own asked by the barycentre."""
    searches: dict[str, Search] = {}
    for name, hidden in CAPACITIES.items():
        with weak_allowed():  # the table shows what it finds
            student = distill(bridge, *samples, hidden=hidden, settings=Settings(steps=steps), progress=False)
        searches[f"distilled_{name}"] = _search(student.embed_c(c), student.embed_a)
    seen = lambda query: normalize(bridge.query_vectors(query), dim=1)  # noqa: E731
    searches["barycentre"] = _search(normalize(c, dim=1), seen)
    return searches


def _search(vectors: Float[Tensor, "k w"], embed: Callable[[Tensor], Tensor]) -> Search:
    index = nearest.made(np.ascontiguousarray(vectors.numpy()))
    return lambda query, depth: nearest.searched(index, np.ascontiguousarray(embed(query).numpy()), depth)
