"""The agents' critics and what they have lived through, where a state has velocities beside x and y."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ucl.learning.encoders import StackedLinear
from ucl.maze.exploration.learner import Learner, Learning
from ucl.maze.exploration.replay import ReplayBuffer
from ucl.maze.models import HARMONICS, MazeModel, position_features, waves
from ucl.runtime import generator

__all__ = ["PointBuffer", "PointLearner", "PointModel"]

FASTEST = 5.0  # cells a second
NO_WORDS = 2  # of the encoder of words: padding and the unknown one


class PointModel(MazeModel):
    """S models whose encoder of (state, action) sees the velocity too. A goal is a place: x and y."""

    def __init__(
        self, generators: Sequence[torch.Generator], critic: str, width: int, dimension: int, velocities: int
    ) -> None:
        super().__init__(generators, NO_WORDS, critic, width, dimension)
        self.pace = (
            nn.Sequential(
                StackedLinear(generators, velocities, width), nn.ReLU(), StackedLinear(generators, width, width)
            )
            if velocities
            else None
        )

    def encode_actions(
        self, states: Float[Tensor, "s n state"], angles: Float[Tensor, "s n k"]
    ) -> Float[Tensor, "s n k d"]:
        """Representations of `k` actions (radians) in each state."""
        n, k = angles.shape[1:]
        here = self.place(position_features(states[..., :2]))
        if self.pace is not None:
            here = here + self.pace(states[..., 2:] / FASTEST)
        turn = self.turn(waves(angles.flatten(1), HARMONICS, geometric=False)).unflatten(1, (n, k))
        return self.both((here[:, :, None] + turn).flatten(1, 2)).unflatten(1, (n, k))

    def score_actions(
        self, states: Float[Tensor, "s n state"], angles: Float[Tensor, " k"], goals: Float[Tensor, "s n 2"]
    ) -> Float[Tensor, "s n k"]:
        """f((s, a), g) of every action in each state towards that state's own goal."""
        taken = self.encode_actions(states, angles.expand(*states.shape[:2], -1))
        aims = self.encode_state(goals)
        each = self.critic_type(self.log_scale[:, 0, None].exp().expand(-1, aims.shape[1]))
        return each(taken, aims[:, :, None])[..., 0]


class PointLearner(Learner):
    """Critics of points in training: as those of the maze, but for their input."""

    def __init__(
        self, learning: Learning, objectives: Sequence[str], seeds: Sequence[int], velocities: int, steps: int
    ) -> None:
        super().__init__(learning, objectives, seeds, NO_WORDS, steps)
        self.model: PointModel = PointModel(
            [generator(s, 1) for s in self.seeds], learning.critic, learning.width, learning.dimension, velocities
        )
        self.restart(steps)


@dataclass(frozen=True, eq=False)
class PointBuffer(ReplayBuffer):
    """Walks with the velocity at every state; the state that follows in a pair is a place, without its velocity."""

    velocities: Float[Tensor, "s n steps_and_1 v"]

    @classmethod
    def of(cls, states: Float[Tensor, "s n steps_and_1 state"], angles: Float[Tensor, "s n steps"]) -> "PointBuffer":
        """From whole states."""
        return cls(states[..., :2], angles, states[..., 2:])

    def extended(self, other: ReplayBuffer, capacity: int) -> "PointBuffer":
        """With the walks of another buffer behind its own; only the latest `capacity` of each model are kept."""
        assert isinstance(other, PointBuffer)
        longer = super().extended(other, capacity)
        velocities = torch.cat([self.velocities, other.velocities], dim=1)[:, -capacity:]
        return PointBuffer(longer.positions, longer.angles, velocities)

    def _pairs(
        self, walk: Int[Tensor, "s n"], when: Float[Tensor, "s n"], ahead: Float[Tensor, "s n"], discount: float
    ) -> tuple[Float[Tensor, "s n state"], Float[Tensor, "s n"], Float[Tensor, "s n 2"]]:
        positions, angles, later = super()._pairs(walk, when, ahead, discount)
        time = (when * self.angles.shape[2]).long()
        velocities = self.velocities[torch.arange(len(walk))[:, None], walk, time]
        return torch.cat([positions, velocities], dim=-1), angles, later
