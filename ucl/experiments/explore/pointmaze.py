"""Suite `pointmaze`: agents that find their own way in MuJoCo environments of others, and two references."""

import zlib
from collections.abc import Mapping
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from ucl.maze.exploration.explorer import Exploring, explore
from ucl.maze.exploration.learner import Learning
from ucl.maze.exploration.reaching import coverage
from ucl.maze.exploration.replay import ReplayBuffer
from ucl.maze.models import MazeModel
from ucl.maze.points.models import PointLearner
from ucl.maze.points.walking import Controller, CriticPolicy, PointCollector, Policy, RandomPushes, reach_goals
from ucl.maze.points.world import Points
from ucl.maze.state_grid import Squares

__all__ = ["PointTest", "explore_environment", "walk_references"]


class PointTest:
    """Pairs of a start and a goal in another cell, drawn evenly; the same for all agents of an environment."""

    def __init__(self, points: Points, pairs: int, seeds: int) -> None:
        random = np.random.default_rng([zlib.crc32(points.layout.name.encode()), 9])
        cells = len(points.layout.cells)
        first = random.integers(cells, size=pairs)
        other = (first + random.integers(1, cells, size=pairs)) % cells
        starts, goals = points.at_rest(points.places(first, random)), points.places(other, random)
        self.points, self.seeds = points, range(seeds)
        self.starts = np.tile(starts, (seeds, 1, 1))
        self.goals: Float[np.ndarray, "s n 2"] = np.tile(goals, (seeds, 1, 1))

    @property
    def randoms(self) -> list[np.random.Generator]:
        """Every agent's own, the same at each test."""
        return [np.random.default_rng([seed, 8]) for seed in self.seeds]

    def score(self, policy: Policy) -> pd.DataFrame:
        """seed, task, success, and steps of the environment until the goal; its time limit where that came first."""
        steps = reach_goals(self.points, self.starts, self.goals, policy)
        seed, task = np.indices(steps.shape).reshape(2, -1)
        found = steps.ravel()
        taken = np.where(np.isnan(found), self.points.horizon, found)
        return pd.DataFrame({"seed": seed, "task": task, "success": 1.0 * ~np.isnan(found), "steps": taken})


def explore_environment(
    points: Points, section: Mapping[str, Any], chosen: Mapping[str, Any], *, progress: bool = True
) -> pd.DataFrame:
    """Agents by `section` in an environment, by `chosen`, the suite's own keys: a row per round, seed and pair.

    method, round, env_steps (per agent), seed, task, success, steps, coverage (of squares), and seconds, the processor
    time in which all agents together have walked and learned so far.
    """
    test, squares = PointTest(points, chosen["pairs"], section["seeds"]), Squares(points.layout, section["resolution"])
    plan = _plan(points, section, chosen)
    learner = _learner(points, section, plan.rounds * plan.steps)
    goals, parts, clock = torch.from_numpy(test.goals).float(), [], [0.0, process_time()]

    def on_round(number: int, taken: int, model: MazeModel, buffer: ReplayBuffer) -> None:
        clock[0] += process_time() - clock[1]
        policy = CriticPolicy(model, goals, section["acting"], test.randoms, chosen["repeat"])
        covered = pd.Series(coverage(squares, buffer.positions), test.seeds, name="coverage")
        scores = test.score(policy).join(covered, on="seed")
        parts.append(scores.assign(method="explored", round=number, env_steps=taken, seconds=clock[0]))
        clock[1] = process_time()

    explore(PointCollector(points, chosen["repeat"]), learner, plan, on_round, progress=progress)
    return pd.concat([*parts, walk_references(test, chosen["repeat"])], ignore_index=True)


def walk_references(test: PointTest, repeat: int) -> pd.DataFrame:
    """Chance, and a controller that knows the map."""
    policies: dict[str, Policy] = {
        "random": RandomPushes(test.randoms, repeat),
        "controller": Controller(test.points, test.goals),
    }
    return pd.concat([test.score(policy).assign(method=method) for method, policy in policies.items()])


def _plan(points: Points, section: Mapping[str, Any], chosen: Mapping[str, Any]) -> Exploring:
    """As in the mazes; no episode is longer than the environment lets it be."""
    steps = min(section["episode_steps"], points.horizon // chosen["repeat"])
    keys = ("rounds", "goals", "temperature", "capacity", "steps")
    return Exploring(episodes=chosen["episodes"], episode_steps=steps, **{key: section[key] for key in keys})


def _learner(points: Points, section: Mapping[str, Any], steps: int) -> PointLearner:
    keys = ("critic", "dimension", "width", "batch", "learning_rate", "discount")
    recipe, seeds = Learning(**{key: section[key] for key in keys}), range(section["seeds"])
    return PointLearner(recipe, [section["objective"]] * len(seeds), seeds, points.velocities, steps)
