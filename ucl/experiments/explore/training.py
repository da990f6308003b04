"""The agents of one maze: self-taught, by rounds, and their references."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch

from ucl.maze import layouts
from ucl.maze.exploration.collecting import goal_scores
from ucl.maze.exploration.explorer import Exploring, MazeCollector, explore, learner_for
from ucl.maze.exploration.learner import Learner, Learning
from ucl.maze.exploration.reaching import (
    Reaching,
    coverage,
    learned_distances,
    reach,
    score_reaching,
)
from ucl.maze.exploration.replay import ReplayBuffer, Shared
from ucl.maze.language import Grammar
from ucl.maze.layouts import MAZES
from ucl.maze.models import MazeModel, Tokenizer
from ucl.maze.policies import RandomPolicy, ShortestPath
from ucl.maze.state_grid import Squares
from ucl.maze.training import Futures
from ucl.maze.walks import oracle_trajectories

__all__ = [
    "World",
    "agents",
    "exploring",
    "follow_oracle",
    "latest_walks",
    "learned_against_exact",
    "references",
    "teach_itself",
    "tokenizer_of",
]

KEPT = 1000  # episodes of each agent that are kept on disk
SHOWN = 6  # of them that are drawn


@dataclass(frozen=True, eq=False)
class World:
    """One maze and its test."""

    maze: str
    section: Mapping[str, Any]

    @cached_property
    def squares(self) -> Squares:
        return Squares(layouts.get(self.maze), self.section["resolution"])

    @cached_property
    def test(self) -> Reaching:
        return Reaching(self.squares, self.section["pairs"], np.random.default_rng([zlib.crc32(self.maze.encode()), 9]))

    @cached_property
    def seeds(self) -> range:
        return range(self.section["seeds"])

    @property
    def limit(self) -> int:
        """Steps after which an episode counts as failed: the maze's own horizon."""
        return MAZES[self.maze].horizon

    def scores(self, model: MazeModel, seeds: Sequence[int]) -> pd.DataFrame:
        """Every model on every pair."""
        return reach(self.test, model, self.section["acting"], self.limit, seeds)


def tokenizer_of(maze: str) -> Tokenizer:
    """The words that agents of a maze may come to know."""
    return Tokenizer.fit(Grammar(layouts.get(maze)).phrases("train"))


def agents(
    section: Mapping[str, Any],
    maze: str,
    steps: int,
    *,
    seeds: Sequence[int] | None = None,
    critic: str | None = None,
    objectives: Sequence[str] | None = None,
    action_negatives: int = 0,
) -> Learner:
    """Untrained agents of a maze, those of the section unless said otherwise; `steps` of training are ahead."""
    keys = ("dimension", "width", "batch", "learning_rate", "discount")
    own = {key: section[key] for key in keys}
    recipe = Learning(critic=critic or section["critic"], action_negatives=action_negatives, **own)
    chosen = range(section["seeds"]) if seeds is None else seeds
    return learner_for(recipe, objectives or [section["objective"]], chosen, len(tokenizer_of(maze)), steps)


def exploring(section: Mapping[str, Any], **other: int) -> Exploring:
    """How agents explore, out of the section."""
    keys = ("rounds", "episodes", "episode_steps", "goals", "temperature", "capacity", "steps")
    return Exploring(**({key: section[key] for key in keys} | other))


def teach_itself(world: World, *, progress: bool = True) -> tuple[Learner, ReplayBuffer, pd.DataFrame, pd.DataFrame]:
    """Explore; the agents, what they lived through, their scores, and all agents' visits (round, square, visits).

    Scores: method, round, env_steps (per agent), seed, task, success, steps, spl, spearman, coverage, and seconds, the
    time in which all agents together explored and learned so far.
    """
    section, seeds = world.section, list(world.seeds)
    plan = exploring(section)
    learner = agents(section, world.maze, plan.rounds * plan.steps)
    parts, visits, clock = [], [], _Clock()

    def on_round(number: int, taken: int, model: MazeModel, buffer: ReplayBuffer) -> None:
        clock.stop()
        covered = pd.Series(coverage(world.squares, buffer.positions), seeds, name="coverage")
        scores = world.scores(model, seeds).join(covered, on="seed")
        parts.append(scores.assign(method="explored", round=number, env_steps=taken, seconds=clock.seconds))
        fresh = buffer.positions[:, -plan.episodes :].double().numpy()
        seen = np.bincount(world.squares.at(fresh).ravel(), minlength=len(world.squares.centres))
        visits.append(pd.DataFrame({"round": number, "square": range(len(seen)), "visits": seen}))
        clock.go()

    buffer = explore(MazeCollector(world.squares), learner, plan, on_round, progress=progress)
    kept = ReplayBuffer(buffer.positions[:, -KEPT:].clone(), buffer.angles[:, -KEPT:].clone())
    return learner, kept, pd.concat(parts, ignore_index=True), pd.concat(visits, ignore_index=True)


def latest_walks(experience: ReplayBuffer) -> pd.DataFrame:
    """A few of the first agent's walks, to be drawn: walk, step, x, y."""
    walks = experience.positions[0, -SHOWN:].numpy()
    walk, step = np.indices(walks.shape[:2]).reshape(2, -1)
    x, y = walks.reshape(-1, 2).T
    return pd.DataFrame({"walk": walk, "step": step, "x": x, "y": y})


def learned_against_exact(world: World, model: MazeModel) -> pd.DataFrame:
    """What the first agent takes for the distance of every pair, beside the exact one: learned, exact."""
    goals = torch.from_numpy(world.test.goals).float().expand(len(world.seeds), -1, -1)
    learned = learned_distances(world.test, goal_scores(model, world.squares, goals)[0])
    return pd.DataFrame({"learned": learned, "exact": world.test.distances})


def follow_oracle(world: World) -> pd.DataFrame:
    """The same agents, trained on an oracle's walks."""
    section, oracle, seeds = world.section, world.section["oracle"], list(world.seeds)
    random = np.random.default_rng([0, 1])
    walks = oracle_trajectories(world.squares.layout, oracle["trajectories"], random, oracle["noise_degrees"])
    learner = agents(section, world.maze, oracle["steps"], action_negatives=oracle["action_negatives"])
    learner.fit(Shared(Futures.of(walks)), oracle["steps"])
    return world.scores(learner.model, seeds).assign(method="oracle_trained")


def references(world: World) -> pd.DataFrame:
    """Chance, and the ceiling: exact shortest paths."""
    policies = {"random": RandomPolicy(), "shortest_path": ShortestPath(world.test.episodes.fields)}
    parts = [
        score_reaching(world.test, policy, world.limit, seed).assign(seed=seed, method=name)  # type: ignore[arg-type]
        for name, policy in policies.items()
        for seed in world.seeds
    ]
    return pd.concat(parts, ignore_index=True)


class _Clock:
    """Seconds, but for pauses."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.go()

    def go(self) -> None:
        self.began = perf_counter()

    def stop(self) -> None:
        self.seconds += perf_counter() - self.began
