"""Rounds of walking and learning in an environment of others: a file to read from top to bottom.

As `ucl.maze.exploration.explorer`: the first round is random, then every episode has a goal among the states that its
agent has visited, and after each round the critics learn from all that is in the buffer.
"""

from collections.abc import Callable

import numpy as np
import torch
from tqdm import trange

from ucl.maze.exploration.explorer import Exploring
from ucl.maze.points.models import PointBuffer, PointLearner, PointModel
from ucl.maze.points.walking import CriticPolicy, RandomPushes, collect_points
from ucl.maze.points.world import Points
from ucl.runtime import generator

__all__ = ["explore_points"]

OnRound = Callable[[int, int, PointModel, PointBuffer], None]


def explore_points(
    points: Points,
    learner: PointLearner,
    exploring: Exploring,
    repeat: int,
    on_round: OnRound = lambda *_: None,
    *,
    progress: bool = True,
) -> PointBuffer:
    """Explore and learn; after each round call `on_round(round, environment steps per model, model, buffer)`.

    An action is kept for `repeat` steps of the environment; `exploring.episode_steps` counts actions.
    """
    walking = [np.random.default_rng([seed, 7]) for seed in learner.seeds]
    drawing = [generator(seed, 7) for seed in learner.seeds]
    buffer: PointBuffer | None = None
    for number in trange(1, exploring.rounds + 1, desc="explore", unit="round", disable=not progress):
        starts = np.stack([points.starts(exploring.episodes, random) for random in walking])
        policy: RandomPushes | CriticPolicy = RandomPushes(walking, repeat)
        if buffer is not None:
            aims = buffer.states(exploring.goals, drawing)[:, torch.arange(exploring.episodes) % exploring.goals]
            policy = CriticPolicy(learner.model, aims, exploring.temperature, walking, repeat)
        walked = collect_points(points, starts, exploring.episode_steps, policy)
        buffer = walked if buffer is None else buffer.extended(walked, exploring.capacity)
        learner.fit(buffer, exploring.steps)
        taken = number * exploring.episodes * exploring.episode_steps * repeat
        on_round(number, taken, learner.model, buffer)
    assert buffer is not None
    return buffer
