"""Objectives and critics side by side, each exploring for itself: all objectives and seeds of a critic in one stack."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch

from ucl.experiments.explore.training import World, agents, exploring
from ucl.maze.exploration.distances import successor_distances, violations
from ucl.maze.exploration.explorer import MazeCollector, explore
from ucl.maze.models import MazeModel
from ucl.maze.walks import uniform_positions

__all__ = ["compare"]


def compare(
    section: Mapping[str, Any], chosen: Mapping[str, Any], critic: str, *, progress: bool = True
) -> pd.DataFrame:
    """One row per objective and seed: critic, objective, seed, success, spl, spearman, and of triangles among `places`
    the share that is broken and the mean excess in nats."""
    world = World(chosen["maze"], section)
    plan = exploring(section, rounds=chosen["rounds"])
    learner = agents(section, world.maze, plan.rounds * plan.steps, critic=critic, objectives=chosen["objectives"])
    explore(MazeCollector(world.squares), learner, plan, progress=progress)
    measured = _measured(world, learner.model, learner.seeds, chosen["places"])
    return measured.assign(critic=critic, objective=learner.objectives)


def _measured(world: World, model: MazeModel, seeds: list[int], places: int) -> pd.DataFrame:
    """One row per model, in their order."""
    scores = world.scores(model, seeds)
    scores["model"] = np.repeat(np.arange(len(seeds)), len(scores) // len(seeds))
    row = scores.groupby("model")[["success", "spl", "spearman"]].mean()
    drawn = uniform_positions(world.squares.layout, places, np.random.default_rng(10))
    broken, excess = violations(successor_distances(model, world.squares, torch.from_numpy(drawn).float()))
    return row.assign(seed=seeds, broken=broken.numpy(), excess=excess.numpy()).reset_index(drop=True)
