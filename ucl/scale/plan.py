"""Arithmetic, bytes, memory and hours of each way to answer n queries over k candidates through M samples of B.

**Exact** (`ucl score --shard`, `ucl merge`): n k M multiplications and additions of the grid, and for every tile of t
queries (k + t) M scores of width d and as many exponentials; a certificate and a logarithm an entry; n k numbers of
eight bytes written and merged for each shard.

**Best of exact** (`ucl retrieve`): the same in tiles of 4,096 by 4,096, and nothing is written.

**Tolerance** (`score(..., tolerance)`): a survey of k M scores, for every query M more, and for every pair the share of
the samples that matter, scores of width d and exponentials.

**Distilled** (`ucl distill`, `ucl index`, `ucl search`): k vectors of width w, in lists of which a sixteenth is looked
into; candidates are assigned to lists once; the best of each query are put in order within a tolerance, not surveyed.
In shards of the candidates, each has lists of its own, and a search on one node maps the vectors of all.
"""

import math
from dataclasses import dataclass, replace

from ucl.core.parts import SCORED
from ucl.core.scores import block_size
from ucl.distilled.nearest import PROBED, lists_of
from ucl.scale.rates import Rates, made_of

__all__ = ["INDEX", "Cost", "Size", "exact", "paths"]

INDEX = "distilled index"  # the way whose search is one of the CPU
TILE = 4096  # rows and columns of `retrieve`
WIDTH = 64  # of the vectors in an index
RERANKED = 5000  # candidates of `ucl search` that the bridge puts in order
BASE = 500e6  # bytes of a process that has loaded everything and holds nothing


@dataclass(frozen=True)
class Size:
    """n queries, k candidates, M samples, embeddings of width d; `kept`: the share of samples that matter.

    `shards` are of the bank for exact scores, of the candidates for an index.
    """

    queries: int
    candidates: int
    bank: int
    width: int
    kept: float = 0.01
    shards: int = 1


@dataclass(frozen=True)
class Cost:
    """What one path costs: multiplications and additions, exponentials, bytes moved and kept, memory, seconds."""

    path: str
    products: float
    exponentials: float
    bytes_moved: float
    bytes_kept: float  # on disk
    memory: float  # of a node, bytes
    seconds: float  # of one core, or of one GPU
    limit: str  # what most of the seconds go to

    def node_hours(self, cores: int = 2) -> float:
        """On nodes of so many cores."""
        return self.seconds / 3600 / cores


def paths(size: Size, rates: Rates) -> list[Cost]:
    """All paths, in the order of the module's description."""
    return [exact(size, rates), best_of_exact(size, rates), tolerance(size, rates), distilled(size, rates)]


def exact(size: Size, rates: Rates) -> Cost:
    """Every score of the grid, over shards of the bank."""
    n, k, d = size.queries, size.candidates, size.width
    rows = min(n, max(1, SCORED // k))
    grid, kept = float(n) * k, float(n) * k * 8 * size.shards
    cost = _grid(size, rates, rows, k)
    memory = BASE + 20 * rows * k + 4 * d * (n + k) + 8 * (rows + k) * block_size(rows + k)
    moved = cost.bytes_moved + kept
    parts = {**cost.parts, "writing and merging the grid": kept * rates.part}
    return _cost("exact scores", cost.products, cost.exponentials, moved, kept + 4 * grid, memory, parts)


def best_of_exact(size: Size, rates: Rates) -> Cost:
    """The best candidates of every query by exact scores."""
    rows, columns = min(size.queries, TILE), min(size.candidates, TILE)
    cost = _grid(replace(size, shards=1), rates, rows, columns)  # shards are of exact scores
    memory = BASE + 20 * rows * columns + 4 * size.width * (size.queries + size.candidates)
    memory += 8 * (rows + columns) * block_size(rows + columns)
    return _cost("best of exact", cost.products, cost.exponentials, cost.bytes_moved, 0.0, memory, cost.parts)


def tolerance(size: Size, rates: Rates) -> Cost:
    """Scores of all candidates within a tolerance."""
    n, k, m, d = size.queries, size.candidates, size.bank, size.width
    surveyed, matter = float(k) * m, float(n) * k * size.kept * m
    memory = BASE + 4.0 * m * 2 * d + 4.0 * d * (n + k)
    parts = {"survey of candidates": surveyed * (d * rates.score + rates.survey), **_matter(size, rates, k)}
    products = (float(n) * m + surveyed + matter) * d
    return _cost("within a tolerance", products, surveyed + matter, 4.0 * m * 2 * d, 0.0, memory, parts)


def _matter(size: Size, rates: Rates, candidates: int) -> dict[str, float]:
    """Seconds that queries take which look at so many candidates each."""
    scores, kept = (
        float(size.queries) * size.bank * size.width,
        float(size.queries) * candidates * size.kept * size.bank,
    )
    return {"scores of queries": scores * rates.score, "samples that matter": kept * rates.kept}


def distilled(size: Size, rates: Rates) -> Cost:
    """Search in an index of the student's vectors, and the best put in order by the bridge."""
    n, k, d = size.queries, size.candidates, size.width
    embed = float(n + k) * d * WIDTH
    each = math.ceil(k / size.shards)  # candidates of a shard
    lists = lists_of(each, k)
    built = size.shards * made_of(each, k) * WIDTH
    looked = float(n) * (k / PROBED + size.shards * lists if lists else k) * WIDTH
    best = float(n) * min(RERANKED, k) * size.kept * size.bank
    vectors = 4.0 * k * WIDTH
    memory = BASE + vectors + 4.0 * size.bank * 2 * d
    parts = {
        "embedding": embed * rates.product,
        "building the index": built * rates.assign,
        "search": looked * (rates.probe if lists else rates.search),
        "putting the best in order": sum(_matter(size, rates, min(RERANKED, k)).values()),
    }
    products = embed + built + looked + (float(n) * size.bank + best) * d
    return _cost(INDEX, products, best, vectors + 4.0 * k * d, vectors, memory, parts)


@dataclass(frozen=True)
class _Grid:
    products: float
    exponentials: float
    bytes_moved: float
    parts: dict[str, float]


def _grid(size: Size, rates: Rates, rows: int, columns: int) -> _Grid:
    """A grid in tiles, over the whole bank."""
    n, k, m, d = size.queries, size.candidates, float(size.bank), size.width
    tiles = math.ceil(n / rows) * math.ceil(k / columns)
    sides = tiles * float(rows + columns) * m
    grid, blocks = float(n) * k, math.ceil(m / size.shards / block_size(rows + columns)) * size.shards
    products, moved = grid * m + sides * d, tiles * m * 2 * d * 4
    parts = {
        "products of the grid": grid * m * rates.product,
        "scores against the bank": sides * d * rates.score,
        "exponentials": sides * rates.exponential,
        "entries of the grid": grid * (rates.entry * size.shards + rates.block * blocks),
        "reading the bank": moved * rates.read,
    }
    return _Grid(products, sides, moved, parts)


def _cost(
    path: str, products: float, exponentials: float, moved: float, kept: float, memory: float, parts: dict[str, float]
) -> Cost:
    limit = max(parts, key=lambda name: parts[name])
    return Cost(path, products, exponentials, moved, kept, memory, sum(parts.values()), limit)
