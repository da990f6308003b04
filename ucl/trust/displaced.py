"""Is row i of one side the same sample as row i of the other, and for which share of the rows is it not?

Three things are looked at, over at most `SAMPLE` rows:

- whether the sides have anything to do with each other, against random orders of one of them;
- how each row's own partner ranks among all others (`ucl.trust.matching`). Where the order is right the ranks fall off
  smoothly from the first; partners that were moved have any rank. A mixture of a Beta law and the uniform one says how
  many there are, and how likely each row is one of them;
- whether those rows find their partners *among each other*. Rows that were moved do. Rows that fit nothing because
  they are far from the rest, or noise, do not. The null is a random exchange of rows within small groups of similar
  rows, so that a whole region in which one model is poor does not look like an exchange.

What could be told is measured on the bank itself: a share of its rows is displaced on purpose, and looked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ucl.runtime import generator
from ucl.trust.matching import RIDGES, Map, Side

__all__ = ["PLANTED", "Alignment", "align"]

SAMPLE = 1000  # rows that maps are fitted to
PLANTED, PLANTINGS = 0.08, 4  # the share that is displaced on purpose, and how often: all must be found
ALIKE, ORDERS = 40, 20  # random orders that the relation is compared with, by the kernels and by the ranks
EXCHANGES = 100  # of rows within groups, for the null of finding partners among the displaced
GROUP = 16  # rows that are similar
RELATED, BY_RANK = 4.0, 5.0  # standard deviations from a random order, by the kernels and by the ranks
SHARE, LIKELIER, EXCHANGED = 0.05, 30.0, 3.0  # displaced share, log likelihood ratio and deviations that are an alarm
GROWS = 1.5  # times: a share that grows so with half of the rows is of what the maps have not seen, not of the order
MANY = 0.4  # a share that is an error wherever its partners are: heavy tails alone reach .3
STRAYS = 300  # rows whose partners are looked for in the whole bank
HOMES = 2  # places that are looked at for each of them
Take = Callable[[np.ndarray], Tensor]


@dataclass(frozen=True)
class Alignment:
    """What was found out about the order of two sides.

    `related`: standard deviations that own partners rank better than in a random order. `share`: of rows whose partner
    has any rank. `likelier`: log likelihood ratio against none. `exchanged`: deviations by which these rows find
    partners among each other. `found`: share of plantings found; None where there was no reason to try.
    """

    related: float
    share: float
    likelier: float
    exchanged: float
    top: float  # share of rows whose own partner fits best
    rows: int  # looked at
    found: float | None = None

    @property
    def unrelated(self) -> bool:
        return self.related < RELATED

    @property
    def misfits(self) -> bool:
        """Whether a share of the rows fits no better than any other would, displaced or not."""
        return self.share >= SHARE and self.likelier >= LIKELIER

    @property
    def displaced(self) -> bool:
        return self.misfits and (self.exchanged >= EXCHANGED or self.share >= MANY)


def align(for_a: Take, for_c: Take, count: int, seed: int = 0, plant: bool = True) -> Alignment:
    """Look at the order of `count` rows, of which `for_a` and `for_c` give those asked for by number.

    Without `plant` it stays open what could have been told.
    """
    sample = _Sample.draw(for_a, for_c, count, generator(seed, 0))
    half = _Sample.draw(for_a, for_c, count, generator(seed, 4), len(sample.index) // 2)
    related = sample.relation(generator(seed, 1))
    found = replace(_examined(sample, half, np.arange(count), generator(seed, 2)), related=related)
    if found.unrelated or found.displaced or not plant:
        return found
    hits = 0
    for turn in range(PLANTINGS):
        random = generator(seed, 3, turn)
        hits += _examined(sample, half, _displacing(count, PLANTED, random), random).displaced
        if hits <= turn:  # one that is not found decides
            break
    return replace(found, found=hits / PLANTINGS)


def _examined(
    sample: "_Sample", half: "_Sample", order: Int64[np.ndarray, " m"], random: torch.Generator
) -> "Alignment":
    """What the sample says of an order, and no displacement where the share that fits nothing is of kinds of which
    there are few rows: the fewer rows are looked at, the more of them.
    """
    found = sample.examine(order, random)
    if found.displaced and found.share < MANY and half.fitted(order)[2].share > GROWS * found.share + SHARE:
        return replace(found, exchanged=0.0)
    return found


def _displacing(count: int, share: float, random: torch.Generator) -> Int64[np.ndarray, " m"]:
    """An order in which a share of the rows is another's."""
    order = np.arange(count)
    moved = torch.randperm(count, generator=random)[: max(2, round(share * count))].numpy()
    order[moved] = np.roll(moved, 1)
    return order


@dataclass(frozen=True)
class _Sample:
    """Rows that maps are fitted to, and the means to look at any other."""

    for_a: Take
    for_c: Take
    count: int
    index: Int64[np.ndarray, " n"]
    a: Side
    c: Side

    @classmethod
    def draw(cls, for_a: Take, for_c: Take, count: int, random: torch.Generator, rows: int = SAMPLE) -> "_Sample":
        index = torch.randperm(count, generator=random)[:rows].sort().values.numpy()
        return cls(for_a, for_c, count, index, *(Side(take(index).double()) for take in (for_a, for_c)))

    def relation(self, random: torch.Generator) -> float:
        """Standard deviations by which own partners rank better than in random orders of one side."""
        by_kernel = _alike(self.a.gram, self.c.gram, random)
        if by_kernel >= RELATED:
            return by_kernel
        n = len(self.index)
        even = torch.ones(n, dtype=torch.float64)
        a, c = self.a.coordinates(self.a.rows), self.c.coordinates(self.c.rows)

        def rank(order: Tensor) -> float:
            there = Map.fit(self.a, c[order], even, self.a.unweighted)
            back = Map.fit(self.c, a[order.argsort()], even, self.c.unweighted)
            grid = _grid(there, back, order)
            return float(sum(ranks.mean() for ranks in _own_ranks(grid)))

        null = torch.tensor([rank(torch.randperm(n, generator=random)) for _ in range(ORDERS)])
        own = rank(torch.arange(n))
        by_rank = float((null.mean() - own) / null.std().clamp_min(1e-6)) if own < float(null.min()) else 0.0
        return max(by_rank * RELATED / BY_RANK, by_kernel)

    def examine(self, order: Int64[np.ndarray, " m"], random: torch.Generator) -> Alignment:
        """Share displaced, and what speaks for it, where row i of `for_c` is taken to be the row `order[i]`."""
        side, maps, law = self.fitted(order)
        n = len(self.index)
        top = float((_own_ranks(_grid(*maps))[0] < 1 / n).double().mean())
        found = Alignment(0.0, law.share, law.likelier, 0.0, top, n)
        if not found.misfits:
            return found
        a, grid, weights = self._with_homes(order, side, maps, law)
        return replace(found, exchanged=_exchanged(grid, weights, _groups(a), random))

    def fitted(self, order: Int64[np.ndarray, " m"]) -> tuple[Side, tuple[Map, Map], "_Mixture"]:
        """The side of C in an order, the maps between both sides, and the law of the ranks of own partners."""
        n = len(self.index)
        side = Side(self.for_c(order[self.index]).double())
        maps = self._maps(side, torch.ones(n, dtype=torch.float64), self.a.unweighted, side.unweighted)
        law = _Mixture.fit(_own_ranks(_grid(*maps)))
        if law.share:  # again, without the rows that do not belong
            weights = (1 - law.weights).clamp_min(0.02)
            ridges = [(RIDGES[part.best],) for part in maps]
            maps = self._maps(side, weights, self.a.inverses(weights, ridges[0]), side.inverses(weights, ridges[1]))
            law = _Mixture.fit(_own_ranks(_grid(*maps)))
        return side, maps, law

    def _maps(self, side: Side, weights: Tensor, from_a: list[Tensor], from_c: list[Tensor]) -> tuple[Map, Map]:
        there = Map.fit(self.a, side.coordinates(side.rows), weights, from_a)
        return there, Map.fit(side, self.a.coordinates(self.a.rows), weights, from_c)

    def _with_homes(
        self, order: np.ndarray, side: Side, maps: tuple[Map, Map], law: "_Mixture"
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A's coordinates, fits and weights of the sample, and of the rows elsewhere that fit its strays best."""
        there, back = maps
        a, c = back.target, there.target
        if len(self.index) == self.count:
            return a, _grid(there, back), law.weights
        strays = law.weights.topk(min(STRAYS, int((law.weights > 0.5).sum()) + 1)).indices
        homes = self._homes(there.left_out()[strays], order, side, there)
        rows_a, rows_c = self.for_a(homes).double(), self.for_c(order[homes]).double()
        to_c, to_a = (
            torch.cat([there.left_out(), there.predict(rows_a)]),
            torch.cat([back.left_out(), back.predict(rows_c)]),
        )
        a, c = torch.cat([a, self.a.coordinates(rows_a)]), torch.cat([c, side.coordinates(rows_c)])
        grid = (there.log_ratio(to_c, c) + back.log_ratio(to_a, a).T) / 2
        n = len(self.index)
        own = grid.diagonal()[n:]
        ranks = [(part > own[:, None]).double().mean(1) for part in (grid[n:, :n], grid[:n, n:].T)]
        return a, grid, torch.cat([law.weights, law.of(ranks, n)])

    def _homes(self, predicted: Tensor, order: np.ndarray, side: Side, there: Map) -> Int64[np.ndarray, " m"]:
        """The rows outside the sample whose C fits the predictions best."""
        best, where = [], []
        inside = np.zeros(self.count, bool)
        inside[self.index] = True
        for start in range(0, self.count, 2**14):
            rows = np.arange(start, min(start + 2**14, self.count))
            rows = rows[~inside[rows]]
            fits = there.log_ratio(predicted.float(), side.coordinates(self.for_c(order[rows]).float()))
            value, at = fits.topk(min(HOMES, len(rows)), dim=1)
            best.append(value)
            where.append(torch.from_numpy(rows)[at])
        at = torch.cat(best, 1).topk(HOMES, dim=1).indices
        return torch.cat(where, 1).gather(1, at).unique().numpy()


def _alike(a: Float[Tensor, "n n"], c: Float[Tensor, "n n"], random: torch.Generator) -> float:
    """Standard deviations by which two kernels are more alike than in random orders (centred kernel alignment)."""
    a, c = (k - k.mean(0) - k.mean(1, keepdim=True) + k.mean() for k in (a, c))
    orders = [torch.randperm(len(c), generator=random) for _ in range(ALIKE)]
    null = torch.stack([(a * c[order][:, order]).sum() for order in orders])
    return float(((a * c).sum() - null.mean()) / null.std().clamp_min(1e-300))


def _grid(there: Map, back: Map, order: Tensor | None = None) -> Float[Tensor, "n n"]:
    """The log ratio of every row with every other, of both directions on average."""
    reverse = back.log_ratio(back.left_out(), back.target)
    if order is not None:  # the rows of `back` are those of C in their own order
        reverse = reverse[order][:, order]
    return (there.log_ratio(there.left_out(), there.target) + reverse.T) / 2


def _own_ranks(grid: Float[Tensor, "n n"]) -> list[Float[Tensor, " n"]]:
    """The share of others that fit better than the own partner, from either side; one half where all fit alike."""
    own = grid.diagonal()
    if float(grid.amax() - grid.amin()) < 1e-9:
        return [torch.full_like(own, 0.5)] * 2
    return [(grid > own[:, None]).double().mean(1), (grid > own).double().mean(0)]


@dataclass(frozen=True)
class _Mixture:
    """(1 - share) Beta(a, b) + share uniform, of ranks; the means of what both sides' ranks say."""

    laws: tuple[tuple[float, float, float], ...]
    share: float
    likelier: float
    weights: Float[Tensor, " n"]

    @classmethod
    def fit(cls, ranks: list[Float[Tensor, " n"]]) -> "_Mixture":
        """By likelihood over a grid: a at most one and b at least one, so that the law falls off from rank nought."""
        n = len(ranks[0])
        fits = [_likeliest(own + 0.5 / n) for own in ranks]
        laws = tuple(law for law, _ in fits)
        found = cls(laws, sum(law[0] for law in laws) / 2, min(gain for _, gain in fits), ranks[0])
        return replace(found, weights=found.of(ranks, n))

    def of(self, ranks: list[Float[Tensor, " m"]], n: int) -> Float[Tensor, " m"]:
        """How likely each row is of the uniform part, as the geometric mean of what its two ranks say."""
        weights = []
        for (share, a, b), own in zip(self.laws, ranks, strict=True):
            uniform = torch.full_like(own, share)
            weights.append(uniform / (uniform + (1 - share) * _beta(own + 0.5 / n, torch.tensor(a), torch.tensor(b))))
        return (weights[0] * weights[1]).sqrt()


A_GRID = torch.tensor([0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0], dtype=torch.float64)
B_GRID = torch.tensor([1, 1.5, 2, 3, 4, 6, 9, 14, 20, 40, 80, 200, 500], dtype=torch.float64)
SHARES = torch.cat([torch.arange(0, 0.2, 0.01), torch.arange(0.2, 0.96, 0.05)]).double()


def _beta(u: Tensor, a: Tensor, b: Tensor) -> Tensor:
    log = (a - 1) * u.log() + (b - 1) * torch.log1p(-u)
    return torch.exp(log - (torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)))


def _likeliest(u: Float[Tensor, " n"]) -> tuple[tuple[float, float, float], float]:
    """(share, a, b) of the likeliest mixture, and its log likelihood over that of the likeliest with no share."""
    a, b = A_GRID[:, None, None], B_GRID[:, None]
    u, counts = (part.double() for part in u.unique(return_counts=True))
    density = _beta(u.clamp_max(1 - 1e-6), a, b)
    logs = torch.stack([((1 - share) * density + share).log() @ counts for share in SHARES])
    share, i, j = (int(k) for k in torch.unravel_index(logs.argmax(), logs.shape))
    return (float(SHARES[share]), float(A_GRID[i]), float(B_GRID[j])), float(logs.max() - logs[0].max())


def _groups(rows: Float[Tensor, "n k"]) -> list[Int64[Tensor, " m"]]:
    """Rows split in halves along the direction in which they vary most, until a group has at most `GROUP`."""
    rows, groups, open_ = rows[:, :16], [], [torch.arange(len(rows))]
    while open_:
        group = open_.pop()
        if len(group) <= GROUP:
            groups.append(group)
            continue
        part = rows[group] - rows[group].mean(0)
        _, vectors = torch.linalg.eigh(part.T @ part)
        by = (part @ vectors[:, -1]).argsort()
        open_ += [group[by[: len(group) // 2]], group[by[len(group) // 2 :]]]
    return groups


def _exchanged(
    grid: Float[Tensor, "n n"], weights: Float[Tensor, " n"], groups: list[Tensor], random: torch.Generator
) -> float:
    """Deviations by which rows that do not fit have partners among each other, against exchanges within groups."""
    grid = _temperature(grid, weights) * grid
    grid.fill_diagonal_(-torch.inf)
    homes = [len(grid) * grid.softmax(1), len(grid) * grid.softmax(0).T]

    def likelihood(w: Tensor) -> float:
        return float(sum(w @ torch.log(0.05 + 0.95 * (home @ w) / w.sum()) for home in homes))

    null = []
    for _ in range(EXCHANGES):
        mixed = weights.clone()
        for group in groups:
            mixed[group] = weights[group[torch.randperm(len(group), generator=random)]]
        null.append(likelihood(mixed))
    spread = torch.tensor(null).std().clamp_min(1e-9)
    return float((likelihood(weights) - torch.tensor(null).mean()) / spread)


def _temperature(grid: Float[Tensor, "n n"], weights: Float[Tensor, " n"]) -> float:
    """What to multiply log ratios by for rows that fit to find their partners as often as the ratios say."""

    def own(t: float) -> float:
        rows, columns = (torch.log_softmax(t * grid, dim).diagonal() for dim in (0, 1))
        return float((1 - weights) @ (rows + columns))

    return max((0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.75, 1.0, 1.4), key=own)
