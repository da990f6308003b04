"""The agents' critics where a state has velocities beside x and y."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ucl.learning.encoders import StackedLinear
from ucl.maze.exploration.learner import Learner, Learning
from ucl.maze.models import HARMONICS, MazeModel, position_features, waves
from ucl.runtime import generator

__all__ = ["PointLearner", "PointModel"]

FASTEST = 5.0  # cells a second; velocities are told in units of it
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
