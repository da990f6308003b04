"""What agents have lived through, and the pairs that critics learn from: (state, action) with a state that followed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ucl.maze.training import Futures

__all__ = ["Experience", "ReplayBuffer", "Shared", "steps_ahead"]

Pairs = tuple[Float[Tensor, "s n state"], Float[Tensor, "s n"], Float[Tensor, "s n 2"]]


@runtime_checkable
class Experience(Protocol):
    """Where S models, each with its own generator, draw positive pairs from."""

    def sample(self, count: int, discount: float, randoms: Sequence[torch.Generator]) -> Pairs:
        """States, actions (radians), and places a geometric number of steps ahead."""
        ...


def steps_ahead(uniform: Float[Tensor, "*n"], left: Int[Tensor, "*n"], discount: float) -> Int[Tensor, "*n"]:
    """n with probability (1 - discount) discount^(n - 1), given that n <= `left`: the inverse of its distribution."""
    within = 1 - discount ** left.double()
    ahead = 1 + (torch.log1p(-uniform.double() * within) / math.log(discount)).floor().long()
    return torch.minimum(ahead, left)  # rounding may go one too far


@dataclass(frozen=True, eq=False)
class ReplayBuffer:
    """The walks of S models, `n` each, all of the same number of steps.

    A walk is cut off, it does not end: nothing is known of what would have followed. So a future state is drawn from
    those that were seen, with the geometric chances that these have among themselves (as contrastive RL codes do);
    taking the last state for all later ones, as for an oracle's walk that has arrived, would be wrong here.

    A state is x and y, and behind them the velocities where points have any; the one that follows in a pair is a place.
    """

    states: Float[Tensor, "s n steps_and_1 state"]
    angles: Float[Tensor, "s n steps"]

    @property
    def positions(self) -> Float[Tensor, "s n steps_and_1 2"]:
        """x and y alone."""
        return self.states[..., :2]

    def extended(self, other: "ReplayBuffer", capacity: int) -> "ReplayBuffer":
        """With the walks of another buffer behind its own; only the latest `capacity` of each model are kept."""
        states = torch.cat([self.states, other.states], dim=1)[:, -capacity:]
        return ReplayBuffer(states, torch.cat([self.angles, other.angles], dim=1)[:, -capacity:])

    def sample(self, count: int, discount: float, randoms: Sequence[torch.Generator]) -> Pairs:
        """Transitions drawn evenly from all of each model's, and states ahead within the same walk."""
        walks = self.angles.shape[1]
        uniform = torch.stack([torch.rand(3, count, generator=g, dtype=torch.float64) for g in randoms])
        walk = (uniform[:, 0] * walks).long()
        return self._pairs(walk, uniform[:, 1], uniform[:, 2], discount)

    def one_each(self, discount: float, randoms: Sequence[torch.Generator]) -> Pairs:
        """One pair of every walk, in their order: independent draws, where walks are."""
        models, walks, _ = self.angles.shape
        uniform = torch.stack([torch.rand(2, walks, generator=g, dtype=torch.float64) for g in randoms])
        return self._pairs(torch.arange(walks).expand(models, -1), uniform[:, 0], uniform[:, 1], discount)

    def _pairs(
        self, walk: Int[Tensor, "s n"], when: Float[Tensor, "s n"], ahead: Float[Tensor, "s n"], discount: float
    ) -> Pairs:
        """Of these walks, transitions and states ahead by uniform numbers."""
        models, _, steps = self.angles.shape
        model, time = torch.arange(models)[:, None], (when * steps).long()
        later = time + steps_ahead(ahead, steps - time, discount)
        return self.states[model, walk, time], self.angles[model, walk, time], self.positions[model, walk, later]

    def visited(self, count: int, randoms: Sequence[torch.Generator]) -> Float[Tensor, "s count 2"]:
        """Places drawn evenly from all that each model visited."""
        visited = self.positions.flatten(1, 2)
        rows = [torch.randint(visited.shape[1], (count,), generator=g) for g in randoms]
        return torch.stack([mine[chosen] for mine, chosen in zip(visited, rows, strict=True)])


@dataclass(frozen=True, eq=False)
class Shared:
    """One data set that all models learn from, such as an oracle's walks (which end where they were going)."""

    futures: Futures

    def sample(self, count: int, discount: float, randoms: Sequence[torch.Generator]) -> Pairs:
        """Every model's own draw."""
        drawn = [self.futures.sample(count, discount, g) for g in randoms]
        states, angles, ahead = (torch.stack(parts) for parts in zip(*drawn, strict=True))
        return states, angles, ahead
