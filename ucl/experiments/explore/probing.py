"""Closer looks: the identity Q = exp(f) rho, a single far goal, way-points, and words."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ucl.experiments.explore.training import World, agents, exploring, tokenizer_of
from ucl.maze import geometry, layouts
from ucl.maze.distilled import distilled_tables
from ucl.maze.example import MAZE
from ucl.maze.exploration.collecting import goal_chances
from ucl.maze.exploration.explorer import Goals, MazeCollector, explore, free_goals, one_goal, visited_goals
from ucl.maze.exploration.identity import check_identity
from ucl.maze.exploration.planner import Plan, agreement, one_of, plan
from ucl.maze.exploration.reaching import coverage, score_reaching
from ucl.maze.exploration.replay import ReplayBuffer
from ucl.maze.exploration.words import learn_words
from ucl.maze.geometry import DIRECTIONS
from ucl.maze.language import Grammar
from ucl.maze.models import MazeModel
from ucl.maze.policies import TablePolicy, critic_tables, monte_carlo_scores
from ucl.maze.rollout import sample_episodes, score_policy
from ucl.maze.state_grid import Squares
from ucl.maze.told import walks
from ucl.maze.training import Annotations
from ucl.maze.walks import annotated_states
from ucl.runtime import generator

__all__ = ["follow_words", "identities", "interpolate", "seek"]

STATES = 4000  # visited states that the closed form is checked against
MOST = 6  # way-points that are drawn


def seek(section: Mapping[str, Any], *, progress: bool = True) -> pd.DataFrame:
    """All episodes from one corner: who sees how much, and who first comes to the far goal.

    Columns: collector (`one_goal`, `visited`, `free`, `random_walk`), seed, round, env_steps, coverage, arrival: the
    environment steps an agent had taken when it first entered the goal's cell, or missing.
    """
    chosen = section["seeking"]
    world = World(chosen["maze"], section)
    collectors: dict[str, Goals | None] = {
        "one_goal": one_goal(tuple(chosen["goal"])),
        "visited": visited_goals,
        "free": free_goals(world.squares),
        "random_walk": None,
    }
    return pd.concat([_sought(world, name, goals, progress) for name, goals in collectors.items()], ignore_index=True)


def _sought(world: World, name: str, goals: Goals | None, progress: bool) -> pd.DataFrame:
    chosen, seeds = world.section["seeking"], list(world.seeds)
    plan = exploring(world.section, **{key: chosen[key] for key in ("rounds", "episodes", "steps")})
    learner = agents(world.section, world.maze, plan.rounds * plan.steps)
    arrival, parts = np.full(len(seeds), np.nan), []

    def on_round(number: int, taken: int, model: MazeModel, buffer: ReplayBuffer) -> None:
        before = taken - plan.episodes * plan.episode_steps
        first = _first_arrival(world.squares, buffer.positions[:, -plan.episodes :], chosen["goal"])
        np.copyto(arrival, before + first, where=np.isnan(arrival) & np.isfinite(first))
        covered = coverage(world.squares, buffer.positions)
        parts.append(pd.DataFrame({"seed": seeds, "round": number, "env_steps": taken, "coverage": covered}))

    start = geometry.place(world.squares.layout, np.array([chosen["start"]]))[0]
    collector = MazeCollector(world.squares, (float(start[0]), float(start[1])))
    explore(collector, learner, plan, on_round, goals, progress=progress)
    table = pd.concat(parts, ignore_index=True)
    return table.assign(collector=name, arrival=table["seed"].map(dict(zip(seeds, arrival, strict=True))))


def _first_arrival(
    squares: Squares, positions: Float[Tensor, "s n steps 2"], goal: list[float]
) -> Float[np.ndarray, " s"]:
    """Steps, counted walk after walk, until the cell of the goal is first entered; infinite if it is not."""
    cells = squares.layout.index[geometry.cells_of(positions.double().numpy())]
    there = (cells == squares.layout.index[geometry.cells_of(np.array(goal))])[:, :, 1:].reshape(len(cells), -1)
    return np.where(there.any(1), there.argmax(1) + 1.0, np.inf)


def identities(section: Mapping[str, Any], *, progress: bool = True) -> pd.DataFrame:
    """Q = exp(f) rho for the policy of one agent: see `check_identity`; a row for each of the section's rounds.

    Of the first round it is the random policy that walks in it, of a later one the agent's own at its end.
    """
    chosen = section["identity"]
    layout = layouts.get(chosen["maze"])
    squares = Squares(layout, chosen["resolution"])
    plan = exploring(section, rounds=max(chosen["rounds"]))
    learner = agents(section, chosen["maze"], plan.rounds * plan.steps, seeds=[0])
    random, rows = np.random.default_rng([0, 11]), []

    def on_round(number: int, taken: int, model: MazeModel, buffer: ReplayBuffer) -> None:
        if number not in chosen["rounds"]:
            return
        aims = torch.from_numpy(squares.centres[random.integers(len(squares.centres), size=chosen["goals"])]).float()
        chances = goal_chances(model, squares, aims[None], plan.temperature)
        if number == 1:  # the random policy that walked in it, whatever has been learned from its walks
            even = np.full(len(DIRECTIONS), 1 / len(DIRECTIONS))
            chances = np.broadcast_to(np.cumsum(even), chances.shape).astype(np.float32)
        keys = ("discount", "walks", "steps", "fine")
        own = {key: chosen[key] for key in keys}
        found = check_identity(squares, chances[0], plan.episode_steps, learner.learning, seed=number, **own)
        rows.append(pd.DataFrame([{"round": number, "env_steps": taken, **vars(found)}]))

    explore(MazeCollector(squares), learner, plan, on_round, progress=progress)
    return pd.concat(rows, ignore_index=True)


def interpolate(
    world: World, model: MazeModel, experience: ReplayBuffer, size: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every agent on every pair, straight for the goal and by way-points; and the way-points of three pairs.

    Scores: method, seed, task, success, steps, spl, and `disagreement` of the closed form with visited states weighed
    (`planner.agreement`). Ways of the first agent: task, number, x, y; from the start over way-points to the goal.
    """
    parts, ways = [], []
    goals, test = torch.from_numpy(world.test.goals).float(), world.test
    starts = torch.from_numpy(test.episodes.starts).float()
    for seed in world.seeds:
        alone, random = one_of(model, seed, world.section["critic"]), [generator(seed, 12)]
        mine = ReplayBuffer(experience.positions[seed : seed + 1], experience.angles[seed : seed + 1])
        found = plan(alone, world.squares, goals, mine.visited(size, random)[0])
        apart = agreement(alone, starts, goals, mine.visited(STATES, random)[0])
        for method, scores in (("straight", found.straight), ("way_points", found.planned)):
            policy = TablePolicy(world.squares, scores / world.section["acting"], sample=True)
            scored = score_reaching(test, policy, world.limit, seed)
            parts.append(scored.assign(method=method, seed=seed, disagreement=apart))
        if seed == 0:
            ways = [_way(world, found, task).assign(task=task) for task in _far_pairs(world)]
    return pd.concat(parts, ignore_index=True), pd.concat(ways, ignore_index=True)


def _far_pairs(world: World) -> list[int]:
    """The three pairs that are furthest apart."""
    return np.argsort(-world.test.distances)[:3].tolist()


def _way(world: World, found: Plan, task: int) -> pd.DataFrame:
    """From the start to its way-point, from there to the next, until the goal is next."""
    track = [world.test.episodes.starts[task], world.test.goals[task]]
    for _ in range(MOST):
        here = int(world.squares.at(track[-2][None])[0])
        ahead = found.points[here, task].double().numpy()
        if np.allclose(ahead, track[-1], atol=1e-6):
            break
        track.insert(-1, ahead)
    x, y = np.array(track).T
    return pd.DataFrame({"number": range(len(x)), "x": x, "y": y})


def follow_words(
    section: Mapping[str, Any], tensors: Mapping[str, Tensor], experience: ReplayBuffer, *, progress: bool = True
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The fork's agents learn words from annotated states, then follow instructions that they never heard.

    Scores: policy, seed, text, share (of the free cells that it denotes), success, steps, spl. Walks: those told
    "the first column" from one start, see `ucl.maze.told.walks`.
    """
    chosen, layout = section["words"], layouts.get(MAZE)
    grammar, tokenizer = Grammar(layout), tokenizer_of(MAZE)
    said = annotated_states(layout, chosen["annotations"], np.random.default_rng([0, 2]))
    learner = agents(section, MAZE, chosen["steps"])
    learner.model.load_state_dict(dict(tensors))
    annotations = Annotations.of(said.positions, said.texts, tokenizer)
    learn_words(learner, experience, annotations, chosen["steps"], progress=progress)
    bank = _bank(experience, chosen["bank"], section["discount"])
    texts = [*grammar.phrases("test_wording"), *grammar.phrases("test_composition")]
    cells = np.stack([grammar.denotation(text) for text in texts])
    shares = cells.sum((1, 2)) / len(layout.cells)
    squares, ids = Squares(layout, section["resolution"]), tokenizer(texts)
    heard = annotations.sample(chosen["heard"], generator(0, 52))[1]
    distilled = distilled_tables(learner.model, squares, ids, bank, heard)
    parts = []
    for seed, tables in enumerate(critic_tables(learner.model, squares, ids, bank)):
        episodes = sample_episodes(layout, cells, chosen["starts"], np.random.default_rng([seed, 3]))
        own = {"direct": tables.direct, "monte_carlo": monte_carlo_scores(tables), "distilled": distilled[seed]}
        for name, scores in own.items():
            policy = TablePolicy(squares, scores, sample=True)
            scored = score_policy(episodes, policy, chosen["limit"], np.random.default_rng([seed, 4]))
            scored["text"], scored["share"] = np.array(texts)[scored["task"]], shares[scored["task"]]
            parts.append(scored.assign(policy=name, seed=seed))
    paths = walks(layout, learner.model, tokenizer, bank, section["resolution"], chosen["limit"])
    return pd.concat(parts, ignore_index=True), paths


def _bank(experience: ReplayBuffer, size: int, discount: float) -> Float[Tensor, "size 2"]:
    """Future states of all agents' walks: draws of p(b)."""
    together = ReplayBuffer(experience.positions.flatten(0, 1)[None], experience.angles.flatten(0, 1)[None])
    return together.sample(size, discount, [generator(0, 5)])[2][0]
