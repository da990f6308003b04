"""Points that have a velocity: buffers, critics, walks and learning, in worlds whose motion is known; no MuJoCo."""

import math

import numpy as np
import pytest
import torch

from ucl.maze import geometry, layouts
from ucl.maze.exploration.explorer import Exploring, explore
from ucl.maze.exploration.learner import Learning
from ucl.maze.exploration.replay import ReplayBuffer
from ucl.maze.layouts import Layout
from ucl.maze.models import MazeModel
from ucl.maze.points.models import PointLearner, PointModel
from ucl.maze.points.walking import (
    Controller,
    CriticPolicy,
    PointCollector,
    RandomPushes,
    collect_points,
    reach_goals,
    score_actions,
)
from ucl.maze.points.world import Points
from ucl.runtime import generator

STEP = 0.1


class Gliding(Points):
    """Points that go `STEP` at the angle of their action, up to the first wall; their velocity is what they went."""

    velocities, reach = 2, 0.3

    def __init__(self, layout: Layout, horizon: int) -> None:
        self.layout, self.horizon = layout, horizon

    def step(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        angles = np.arctan2(actions[:, 1], actions[:, 0])
        moved = geometry.move(self.layout, states[:, :2], angles, STEP)
        return np.concatenate([moved, (moved - states[:, :2]) / STEP], axis=1)


def randoms(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in range(count)]


def line(walks: int, steps: int, models: int = 2) -> ReplayBuffer:
    """x tells the step, y the walk; velocities tell ten times the step, and the model."""
    model, walk, step = np.indices((models, walks, steps + 1)).astype(float)
    states = torch.from_numpy(np.stack([step, walk, 10 * step, model], axis=-1)).float()
    return ReplayBuffer(states, states[:, :, :-1, 0] / 100)


def test_pairs_of_states_with_their_velocity_and_later_places() -> None:
    states, angles, ahead = line(7, 9).sample(500, 0.8, [generator(s, 2) for s in range(2)])
    torch.testing.assert_close(states[..., 2], 10 * states[..., 0])
    torch.testing.assert_close(states[..., 3], torch.tensor([0.0, 1.0])[:, None].expand(-1, 500))
    torch.testing.assert_close(angles, states[..., 0] / 100)
    assert ahead.shape[-1] == 2  # a goal is a place
    assert (ahead[..., 0] > states[..., 0]).all()
    assert torch.equal(ahead[..., 1], states[..., 1])


def test_a_buffer_keeps_the_latest_walks_with_their_velocities() -> None:
    old, new = line(5, 3), line(4, 3)
    kept = old.extended(new, 6)
    expected = torch.tensor([3.0, 4.0, 0.0, 1.0, 2.0, 3.0])
    assert torch.equal(kept.positions[0, :, 0, 1], expected)
    assert torch.equal(kept.states[1, :, 2, 2], torch.full((6,), 20.0))


@pytest.mark.parametrize("critic", ["squared_l2", "mrn", "dot"])
def test_scores_of_actions_are_those_of_all_pairs(critic: str) -> None:
    model = PointModel([generator(s, 1) for s in range(2)], critic, 16, 6, velocities=2)
    states, goals = torch.rand(2, 5, 4) * 3, torch.rand(2, 5, 2) * 3
    angles = torch.linspace(-3, 3, 4)
    found = score_actions(model, states, angles, goals)
    encoded = model.encode_actions(states, angles.expand(2, 5, -1))
    for number in range(5):
        pairs = model.critic_future(encoded[:, number], model.encode_state(goals[:, number : number + 1]))
        torch.testing.assert_close(found[:, number], pairs[..., 0], rtol=1e-4, atol=1e-4)
    faster = torch.cat([states[..., :2], states[..., 2:] + 1], dim=-1)
    assert not torch.allclose(found, score_actions(model, faster, angles, goals))


def test_without_velocities_the_model_is_the_maze_model() -> None:
    mine = PointModel([generator(0, 1)], "squared_l2", 16, 6, velocities=0)
    other = MazeModel([generator(0, 1)], 2, "squared_l2", 16, 6)
    states, angles = torch.rand(1, 5, 2), torch.rand(1, 5, 3)
    torch.testing.assert_close(mine.encode_actions(states, angles), other.encode_actions(states, angles))


class Straight:
    """Always to the right."""

    repeat = 7

    def act(self, states: np.ndarray) -> np.ndarray:
        return np.broadcast_to([1.0, 0.0], (*states.shape[:2], 2))


def test_steps_to_a_goal_on_a_straight_road() -> None:
    road = Gliding(Layout.from_text("." * 9), horizon=60)
    away = np.array([[0.0, 0.29, 0.31, 1.05, 4.05, 7.5]])
    starts = road.at_rest(np.tile([0.5, 0.5], (6, 1)))[None]
    goals = np.stack([0.5 + away, np.full_like(away, 0.5)], axis=-1)
    expected = [0.0 if d <= 0.3 else math.ceil((d - 0.3) / STEP) for d in away[0]]
    expected[-1] = math.nan  # 72 steps are more than the horizon
    np.testing.assert_array_equal(reach_goals(road, starts, goals, Straight())[0], expected)


def test_random_walks_are_kept_state_by_state() -> None:
    umaze = Gliding(layouts.get("umaze"), horizon=60)
    starts = np.stack([umaze.starts(20, random) for random in randoms(2)])
    walked = collect_points(umaze, starts, 4, RandomPushes(randoms(2), repeat=3))
    assert walked.positions.shape == (2, 20, 5, 2)
    states = starts[1]
    for decision in range(4):
        angles = walked.angles[1, :, decision].double().numpy()
        for _ in range(3):
            states = umaze.step(states, np.stack([np.cos(angles), np.sin(angles)], axis=-1))
        np.testing.assert_allclose(walked.positions[1, :, decision + 1], states[:, :2], atol=1e-5)
        np.testing.assert_allclose(walked.states[1, :, decision + 1, 2:], states[:, 2:], atol=1e-4)


def test_the_controller_reaches_every_cell_from_every_cell() -> None:
    medium = Gliding(layouts.get("medium"), horizon=400)
    cells = np.arange(len(medium.layout.cells))
    first, last = (each.ravel() for each in np.meshgrid(cells, cells))
    random = np.random.default_rng(0)
    starts, goals = medium.at_rest(medium.places(first, random))[None], medium.places(last, random)[None]
    steps = reach_goals(medium, starts, goals, Controller(medium, goals))[0]
    assert np.isfinite(steps).all()
    straight = np.linalg.norm(starts[0, :, :2] - goals[0], axis=1)
    assert (steps >= np.floor((straight - medium.reach) / STEP)).all()


def test_agents_learn_to_go_round_a_corner() -> None:
    corner = Gliding(Layout.from_text("...\n##."), horizon=100)
    plan = Exploring(rounds=3, episodes=64, episode_steps=12, goals=16, temperature=0.5, capacity=500, steps=80)
    recipe = Learning(critic="squared_l2", dimension=8, width=32, batch=96, learning_rate=0.01, discount=0.9)
    learner = PointLearner(recipe, ["info_nce_penalised"] * 2, range(2), corner.velocities, plan.rounds * plan.steps)
    told: list[tuple[int, int]] = []
    collector = PointCollector(corner, repeat=5)
    explore(collector, learner, plan, lambda number, taken, *_: told.append((number, taken)), progress=False)
    assert told == [(1, 3840), (2, 7680), (3, 11520)]
    random = np.random.default_rng(1)
    ends = np.tile([0, len(corner.layout.cells) - 1], 10)
    starts = np.tile(corner.at_rest(corner.places(ends, random)), (2, 1, 1))
    goals = np.tile(corner.places(ends[::-1], random), (2, 1, 1))
    towards = CriticPolicy(learner.model, torch.from_numpy(goals).float(), 0.3, randoms(2), 5)
    reached = [
        np.isfinite(reach_goals(corner, starts, goals, policy)).mean(1)
        for policy in (towards, RandomPushes(randoms(2), 5))
    ]
    assert (reached[0] > reached[1] + 0.4).all(), reached
