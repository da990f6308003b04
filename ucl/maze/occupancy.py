"""The exact discounted distribution of future states, for the oracle that collected the data: perfect critics.

The behaviour is Markov in (position, goal, next cell): `Hops` says which neighbouring cells are on a breadth-first way
to the goal, one of them is chosen evenly on entering a cell, and the step heads for its centre with Gaussian angular
noise. Positions are discretised into squares, `resolution` to the side of a cell, by Ulam's method: the motion of
points spread over a square, each with quantiles of the noise. For every goal g one sparse system gives the discounted
occupancy V_g of cells from every square (a walk stays where it ended), another the expected visits d_g of the walks in
the data. Then, by Bayes' rule over what the oracle may have been up to,

    p(s+ | s, a) = sum_g p(g | s, a) V_g(move(s, a)),    p(g | s, a) ~ d_g(s) N(a - heading of g at s).
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array, csc_array, csr_array, eye_array
from scipy.sparse.linalg import splu
from scipy.stats import norm

from ucl.maze import geometry
from ucl.maze.planning import Hops
from ucl.maze.state_grid import Squares

__all__ = ["exact_occupancy"]

NOISES = 5  # quantiles of the noise
NEGLIGIBLE = 1e-22  # of the likelihood of an action: 100 degrees off at a noise of 10


def exact_occupancy(
    squares: Squares, angles: Float[np.ndarray, " k"], discount: float, noise_degrees: float
) -> tuple[Float[np.ndarray, "squares k cells"], Float[np.ndarray, "squares k"]]:
    """p(cell of the future state | square, action) and p(action | square) of the breadth-first oracle's data.

    Actions are the candidate `angles`, and p(action | square) their share among them. The future state is n steps ahead
    with probability (1 - discount) discount^(n - 1); a walk that has ended stays where it is.
    """
    behaviour = _Behaviour(squares, np.deg2rad(noise_degrees))
    after = squares.after(squares.centres, angles)
    total = np.zeros((*after.shape, len(squares.layout.cells)), dtype=np.float32)
    weight = np.zeros(after.shape)
    likelihood = behaviour.likelihood(angles)
    for goal in range(len(squares.layout.cells)):
        values, visits, chosen = behaviour.solve(goal, discount)
        entered = np.einsum("swc,sw->sc", values, behaviour.share(chosen).astype(np.float32))
        entered[squares.cell == goal, goal] = 1.0
        for way in range(4):
            prior = visits[:, way, None] * likelihood[:, way]
            here, action = np.nonzero(prior > NEGLIGIBLE)
            to, chance = after[here, action], prior[here, action]
            future = np.where((squares.cell[to] == squares.cell[here])[:, None], values[to, way], entered[to])
            total[here, action] += chance.astype(np.float32)[:, None] * future
            weight[here, action] += chance
    share = weight / weight.sum(-1, keepdims=True)
    return total / total.sum(-1, keepdims=True), share.astype(np.float32)


class _Behaviour:
    """The oracle's walk over (square, way): way 0 to 3 is the neighbouring cell that it heads for."""

    def __init__(self, squares: Squares, noise: float) -> None:
        self.squares, self.noise = squares, noise
        self.hops = Hops(squares.layout)
        self.neighbours = self.hops.neighbours[squares.cell]  # [squares, 4]
        centres = squares.layout.cells[:, ::-1] + 0.5
        self.targets = centres[self.neighbours]  # [squares, 4, 2]
        self.moves = self._moves()

    def likelihood(self, angles: Float[np.ndarray, " k"]) -> Float[np.ndarray, "squares 4 k"]:
        """Density of each action given the way the oracle heads, averaged over the square."""
        heading = self._headings()  # [squares, 4, points]
        off = (angles - heading[..., None] + np.pi) % (2 * np.pi) - np.pi
        return norm.pdf(off, scale=self.noise).mean(2) + 10 * NEGLIGIBLE

    def share(self, chosen: np.ndarray) -> np.ndarray:
        """Probability of each way on entering a cell."""
        return chosen / np.maximum(chosen.sum(1, keepdims=True), 1)

    def solve(self, goal: int, discount: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Occupancy of cells [squares, 4, cells] and expected visits [squares, 4] of walks to a goal."""
        hops = self.hops.count[:, goal]
        cell, cells = self.squares.cell, len(self.squares.layout.cells)
        options = hops[self.hops.neighbours]  # [cells, 4]
        best = options == options.min(1, keepdims=True)  # a cell that repeats itself as neighbour is never nearest
        best[goal] = False
        chosen = best[cell]
        state = np.flatnonzero(chosen.ravel())
        walk, ends = self._transitions(chosen, goal)
        walk = walk[state][:, state]
        identity = eye_array(len(state), format="csc")
        arrive = discount * ends[state]
        now = np.zeros((len(state), cells))
        now[np.arange(len(state)), cell[state // 4]] = 1 - discount
        now[:, goal] += arrive
        values = np.zeros((chosen.size, cells), dtype=np.float32)
        values[state] = splu(csc_array(identity - discount * walk)).solve(now)
        start = self.share(chosen).ravel()[state]
        visits = np.zeros(chosen.size)
        visits[state] = splu(csc_array((identity - walk).T)).solve(start)
        return values.reshape(*chosen.shape, cells), visits.reshape(chosen.shape), chosen

    def _transitions(self, chosen: np.ndarray, goal: int) -> tuple[csr_array, np.ndarray]:
        """Walk over flat (square, way) states, and the probability of each to enter the goal.

        Inside a cell the way is kept; on entering another, one of its ways is chosen evenly.
        """
        cell, (squares, ways, samples) = self.squares.cell, self.moves.shape
        here, way, _ = np.indices(self.moves.shape)
        same = cell[self.moves] == cell[here]
        share = self.share(chosen)
        rows, columns, chances = [], [], []
        for after in range(ways):
            chance = np.where(same, way == after, share[self.moves, after]) / samples
            some = chance > 0
            rows.append((here * ways + way)[some])
            columns.append((self.moves * ways + after)[some])
            chances.append(chance[some])
        entries = np.concatenate(chances), (np.concatenate(rows), np.concatenate(columns))
        ends = (cell[self.moves] == goal).mean(-1).ravel()
        return csr_array(coo_array(entries, shape=(squares * ways, squares * ways))), ends

    def _headings(self) -> Float[np.ndarray, "squares 4 points"]:
        towards = self.targets[:, :, None] - self.squares.points[:, None]
        return np.arctan2(towards[..., 1], towards[..., 0])

    def _moves(self) -> Int[np.ndarray, "squares 4 samples"]:
        """Where each square's points go: [squares, ways, points * quantiles of the noise]."""
        quantiles = norm.ppf((np.arange(NOISES) + 0.5) / NOISES) * self.noise
        angles = self._headings()[..., None] + quantiles
        start = np.broadcast_to(self.squares.points[:, None, :, None], (*angles.shape, 2)).reshape(-1, 2)
        moved = geometry.move(self.squares.layout, geometry.place(self.squares.layout, start), angles.ravel())
        return self.squares.at(moved).reshape(*angles.shape[:2], -1)
