"""The maze environments: steps per second, native against Gymnasium's own vector environment."""

import time
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np

import ucl.maze  # registers the environments
from bench import Line

TITLE = "The maze: environment steps"
AGENTS, STEPS, RECORDED, BAR = 4096, 200, 60, 1_000_000
PEER_AGENTS, PEER_STEPS = 64, 50


def run() -> Iterator[Line]:
    """Random and purposeful agents in four mazes; instructions, autoresets and infos included."""
    for maze in ("fork", "nested_pyramid", "medium", "large"):
        name = ucl.maze.environment_id(maze)
        peer = gymnasium.make_vec(name, PEER_AGENTS, vectorization_mode="sync")
        theirs = rate(peer, random_actions(PEER_AGENTS, PEER_STEPS))
        envs = gymnasium.make_vec(name, AGENTS)
        for kind, actions in (("random", random_actions(AGENTS, STEPS)), ("to the right goal", recorded(envs))):
            ours = max(rate(envs, actions) for _ in range(3))
            yield Line(
                f"{maze}, {AGENTS} agents, {kind}, one thread",
                f"{ours / 1e6:.2f} million steps/s",
                f"SyncVectorEnv of {PEER_AGENTS}",
                f"{theirs / 1e3:.1f} thousand steps/s",
                ours / theirs,
                "1 million steps/s",
                ours >= BAR,
            )


def rate(envs: Any, actions: np.ndarray) -> float:
    """Steps per second over prepared actions [steps, agents, 1], after a seeded reset."""
    envs.reset(seed=0)
    start = time.perf_counter()
    for action in actions:
        envs.step(action)
    return actions.shape[0] * actions.shape[1] / (time.perf_counter() - start)


def random_actions(agents: int, steps: int) -> np.ndarray:
    """Even angles."""
    return np.random.default_rng(0).uniform(-1, 1, (steps, agents, 1))


def recorded(envs: Any) -> np.ndarray:
    """Actions along shortest paths, so that many episodes end in every step; recorded beforehand."""
    observations, _ = envs.reset(seed=0)
    number, actions = {text: task for task, text in enumerate(envs.tasks.texts)}, []
    for _ in range(RECORDED):
        position = observations["position"]
        tasks = np.array([number[text] for text in observations["instruction"]])
        way = envs.tasks.fields.waypoints(position, tasks) - position
        actions.append(np.arctan2(way[:, 1], way[:, 0])[:, None] / np.pi)
        observations = envs.step(actions[-1])[0]
    return np.stack(actions)
