"""Agents that find their own way: buffers, walks, objectives, a quasimetric, way-points and the exact law."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ucl.errors import InputError
from ucl.learning.losses import info_nce
from ucl.learning.objectives import binary_nce, info_nce_penalised
from ucl.maze import geometry, layouts
from ucl.maze.exploration.collecting import collect, goal_chances, goal_scores
from ucl.maze.exploration.distances import successor_distances, violations
from ucl.maze.exploration.explorer import Exploring, MazeCollector, explore, learner_for, one_goal
from ucl.maze.exploration.identity import check_identity
from ucl.maze.exploration.interpolation import Marginal, between, way_points
from ucl.maze.exploration.learner import Learner, Learning
from ucl.maze.exploration.occupancy import pair_law
from ucl.maze.exploration.planner import one_of, plan
from ucl.maze.exploration.reaching import Reaching, coverage, learned_distances, reach
from ucl.maze.exploration.replay import ReplayBuffer, steps_ahead
from ucl.maze.models import MazeModel
from ucl.maze.quasimetric import NegativeMRN
from ucl.maze.state_grid import Squares
from ucl.maze.vector import LanguageMazeVector
from ucl.maze.walks import uniform_positions
from ucl.runtime import generator

UMAZE = layouts.get("umaze")
SQUARES = Squares(UMAZE, 2)
RECIPE = Learning(critic="squared_l2", dimension=8, width=24, batch=64, learning_rate=0.01, discount=0.9)


def line(walks: int, steps: int) -> ReplayBuffer:
    """Walks on straight roads: a position says which walk (y) and which step (x) it is."""
    x, y = np.meshgrid(np.arange(steps + 1.0), np.arange(float(walks)))
    positions = torch.from_numpy(np.stack([x, y], axis=-1)).float()
    return ReplayBuffer(positions[None], torch.zeros(1, walks, steps))


@given(
    left=st.integers(1, 40),
    discount=st.floats(0.5, 0.99),
    uniform=st.floats(0, 1, exclude_max=True, allow_subnormal=False),  # a training before it flushes denormals
)
def test_steps_ahead_inverts_the_truncated_geometric_law(left: int, discount: float, uniform: float) -> None:
    chances = (1 - discount) * discount ** np.arange(left)
    total = np.cumsum(chances / chances.sum())
    n = int(steps_ahead(torch.tensor([uniform]), torch.tensor([left]), discount)[0])
    assert 1 <= n <= left
    assert total[n - 1] >= uniform - 1e-6
    assert n == 1 or total[n - 2] <= uniform + 1e-6


def test_pairs_stay_within_their_walk_and_follow_the_stated_law() -> None:
    walks, steps, discount, count = 3, 4, 0.7, 60_000
    here, _, there = line(walks, steps).sample(count, discount, [generator(1)])
    assert torch.equal(here[..., 1], there[..., 1])
    seen = Counter(zip(here[0, :, 0].int().tolist(), there[0, :, 0].int().tolist(), strict=True))
    for time in range(steps):
        chances = (1 - discount) * discount ** np.arange(steps - time)
        for ahead, chance in enumerate(chances / chances.sum(), start=1):  # brute force over all that can follow
            p = chance / steps
            assert abs(seen[time, time + ahead] / count - p) < 4 * math.sqrt(p / count)
    assert sum(seen.values()) == count
    own, _, later = line(500, steps).one_each(discount, [generator(2)])
    assert torch.equal(own[0, :, 1], torch.arange(500.0))
    assert (later[0, :, 0] > own[0, :, 0]).all()


def test_a_buffer_keeps_the_latest_walks() -> None:
    first, second = line(3, 2), line(2, 2)
    whole = first.extended(second, capacity=4)
    torch.testing.assert_close(whole.positions[0, :, 0, 1], torch.tensor([1.0, 2.0, 0.0, 1.0]))
    states = whole.visited(50, [generator(0)])
    assert set(states[0, :, 0].tolist()) == {0.0, 1.0, 2.0}


def test_walks_are_those_of_the_vector_environment() -> None:
    n, steps = 5, 12
    starts = uniform_positions(UMAZE, n, np.random.default_rng(0))
    walked = collect(SQUARES, starts[None], steps, [np.random.default_rng(1)])
    environment = LanguageMazeVector(n, "umaze", instruction="the last row")
    environment.reset(seed=0)
    environment._positions = starts.copy()
    going = np.ones(n, dtype=bool)
    for step in range(steps):
        observed, _, terminated, _, _ = environment.step(walked.angles[0, :, step].double().numpy()[:, None] / np.pi)
        expected = walked.positions[0, :, step + 1].double().numpy()
        np.testing.assert_allclose(observed["position"][going], expected[going], atol=1e-4)
        going &= ~terminated  # words end an episode there; here they are not heard
    assert going.any()


def test_actions_are_drawn_by_the_softmax_of_the_models_own_critic() -> None:
    model = MazeModel([generator(s, 1) for s in (3, 4)], 2, "squared_l2", 16, 4)
    goals = torch.tensor([[[0.5, 2.5], [2.5, 0.5]], [[1.5, 0.5], [0.5, 0.5]]])
    temperature, n = 0.05, 20_000
    chances = goal_chances(model, SQUARES, goals, temperature)
    start = SQUARES.centres[7]
    randoms = [np.random.default_rng(s) for s in (0, 1)]
    walked = collect(SQUARES, np.tile(start, (2, n, 1)), 1, randoms, chances, np.tile(np.arange(n) % 2, (2, 1)))
    place, angle = torch.from_numpy(start).float(), torch.from_numpy(geometry.DIRECTIONS).float()
    with torch.no_grad():
        actions = model.encode_actions(place.expand(2, 1, 2), angle.expand(2, 1, -1))[:, 0]
        scores = model.critic_future(actions, model.encode_state(goals))
    for seed in range(2):
        for goal in range(2):
            expected = (scores[seed, :, goal].double() / temperature).softmax(0).numpy()
            taken = walked.angles[seed, goal::2, 0].double().numpy()
            seen = np.isclose(taken[:, None], geometry.DIRECTIONS, atol=1e-5).mean(0)
            assert np.abs(seen - expected).sum() / 2 < 0.03


def test_objectives_by_brute_force() -> None:
    logits = torch.randn(2, 5, 5, generator=generator(0), dtype=torch.float64) * 3
    off = ~torch.eye(5, dtype=torch.bool)
    for each, found in zip(logits, binary_nce(logits), strict=True):
        expected = -torch.sigmoid(each.diagonal()).log().mean() - torch.sigmoid(-each[off]).log().mean()
        torch.testing.assert_close(found, expected)
    level = (logits.exp().mean(-1)).log()
    torch.testing.assert_close(info_nce_penalised(logits, 0.3), info_nce(logits) + 0.3 * level.square().mean(-1))


def test_binary_nce_is_least_at_the_log_ratio() -> None:
    """A table of scores trained on draws of a known joint finds log p(x, y) / (p(x) p(y)), constant included."""
    joint = torch.tensor([[0.4, 0.1], [0.2, 0.3]], dtype=torch.float64)
    ratio = (joint / (joint.sum(1, keepdim=True) * joint.sum(0))).log()
    table = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    x, y = torch.meshgrid(torch.arange(2), torch.arange(2), indexing="ij")
    counts = (joint.flatten() * 40).round().long()
    left, right = x.flatten().repeat_interleave(counts), y.flatten().repeat_interleave(counts)
    optimiser = torch.optim.LBFGS([table], max_iter=100)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = binary_nce(table[left][:, right])
        loss.backward()
        return loss

    optimiser.step(closure)
    # Mismatched pairs leave each row's own partner out: off by one in forty.
    torch.testing.assert_close(table.detach(), ratio, atol=0.08, rtol=0)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), size=st.floats(0.01, 100), dimension=st.sampled_from([2, 6, 8]))
def test_quasimetric_obeys_the_triangle_inequality(seed: int, size: float, dimension: int) -> None:
    x = torch.randn(7, dimension, generator=generator(seed), dtype=torch.float64) * size
    distance = -NegativeMRN(torch.tensor(1.0, dtype=torch.float64))(x, x)
    assert (distance >= 0).all()
    torch.testing.assert_close(distance.diagonal(), torch.zeros(7, dtype=torch.float64), atol=1e-6 * size, rtol=0)
    assert float(violations(distance, slack=1e-6 * size)[0]) == 0
    torch.testing.assert_close(-NegativeMRN.compare(x, x), distance, atol=1e-6 * size, rtol=1e-9)


def test_quasimetric_by_hand_is_not_symmetric_and_has_its_gradient() -> None:
    x, y = torch.tensor([[3.0, 4.0, 5.0, 1.0]]), torch.tensor([[0.0, 0.0, 2.0, 1.5]])
    assert float(NegativeMRN(1.0)(x, y)) == pytest.approx(-(5 + 3))
    assert float(NegativeMRN(2.0)(y, x)) == pytest.approx(-2 * (5 + 0.5))
    sides = [torch.randn(2, n, 6, generator=generator(n), dtype=torch.float64, requires_grad=True) for n in (3, 4)]
    scale = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b, c: NegativeMRN(c)(a, b), (*sides, scale))


def test_violations_are_counted_over_triples() -> None:
    distance = torch.tensor([[0.0, 1.0, 5.0], [1.0, 0.0, 1.0], [5.0, 1.0, 0.0]])
    share, excess = violations(distance)  # 0 -> 2 and 2 -> 0 are longer than by way of 1: two of six triples, by 3
    assert float(share) == pytest.approx(2 / 6)
    assert float(excess) == pytest.approx(3)


def test_what_lies_between_is_the_posterior_of_a_gaussian_world() -> None:
    """Draws of N(m, C), weighed by both critics, have the closed form's mean and covariance."""
    d, scale = 3, 0.7
    root = torch.randn(d, d, generator=generator(1), dtype=torch.float64)
    mean = torch.tensor([0.5, -1.0, 0.2], dtype=torch.float64)
    draws = mean + torch.randn(400_000, d, generator=generator(2), dtype=torch.float64) @ root.T
    x, z = torch.tensor([1.0, 0, 0], dtype=torch.float64), torch.tensor([0.0, -2, 1], dtype=torch.float64)
    marginal = Marginal(mean, torch.linalg.inv(root @ root.T))
    closed, covariance = between(x, z, scale, marginal)
    weights = (-scale / 2 * ((draws - x).square().sum(1) + (draws - z).square().sum(1))).softmax(0)
    sampled = weights @ draws
    torch.testing.assert_close(closed, sampled, atol=0.02, rtol=0)
    centred = draws - sampled
    torch.testing.assert_close(covariance, (centred * weights[:, None]).T @ centred, atol=0.02, rtol=0)
    fitted = Marginal.of(draws[:50_000])
    torch.testing.assert_close(fitted.mean, mean, atol=0.05, rtol=0)
    torch.testing.assert_close(fitted.precision, marginal.precision, atol=0.1, rtol=0.05)
    assert int(way_points(x[None], z[None], torch.stack([x, closed, z]), scale, marginal)) == 1


def law_by_walking(policy: np.ndarray, steps: int, discount: float, walks: int) -> np.ndarray:
    """Counts of pairs of fresh walks, one each, future states by brute force over all that followed."""
    random = np.random.default_rng(5)
    starts, goals = uniform_positions(UMAZE, walks, random)[None], random.integers(policy.shape[1], size=(1, walks))
    chances = policy.cumsum(-1).astype(np.float32)[None]
    walked = collect(SQUARES, starts, steps, [random], chances, goals)
    cells = UMAZE.index[geometry.cells_of(walked.positions[0].double().numpy())]
    action = np.round(walked.angles[0].numpy() / (np.pi / 8)).astype(int) % 16
    law = np.zeros((7, 16, 7))
    for time in range(steps):
        chance = discount ** np.arange(steps - time)
        for ahead, p in enumerate(chance / chance.sum(), start=1):
            np.add.at(law, (cells[:, time], action[:, time], cells[:, time + ahead]), p)
    return law / law.sum()


def test_exact_law_of_a_random_goal_policy_agrees_with_walking_it() -> None:
    scores = np.random.default_rng(6).normal(size=(len(SQUARES.centres), 2, 16))
    policy = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    exact = pair_law(SQUARES, policy, fine=4, steps=6, discount=0.8)
    assert exact.sum() == pytest.approx(1)
    assert np.abs(exact - law_by_walking(policy, 6, 0.8, 40_000)).sum() / 2 < 0.03
    even = pair_law(SQUARES, np.full_like(policy, 1 / 16), fine=4, steps=6, discount=0.8)
    assert np.abs(exact - even).sum() / 2 > 0.1  # it is this policy's law and not any walk's


def test_the_identity_holds_and_too_few_walks_are_told() -> None:
    even = np.broadcast_to(np.arange(1, 17) / 16, (len(SQUARES.centres), 1, 16)).astype(np.float32)
    found = check_identity(SQUARES, even, 20, RECIPE, discount=0.9, walks=10_000, steps=250, fine=4, seed=1)
    assert found.within > 0.9
    assert found.counted < 0.08
    assert found.learned < found.chance / 2
    assert found.mass == pytest.approx(1, abs=0.5)  # a short training of few pairs: the sharpest ratios are blunt
    with pytest.raises(InputError, match="10 walks are too few"):
        check_identity(SQUARES, even, 6, RECIPE, discount=0.8, walks=10, steps=1, fine=1, seed=1)


PLAN = Exploring(rounds=3, episodes=64, episode_steps=20, goals=8, temperature=0.5, capacity=128, steps=60)


@pytest.fixture(scope="module")
def explored() -> tuple[Learner, ReplayBuffer, list[int]]:
    learner, taken = learner_for(RECIPE, ["info_nce_penalised"], [1, 2], 2, PLAN.rounds * PLAN.steps), []
    buffer = explore(
        MazeCollector(SQUARES), learner, PLAN, lambda number, steps, model, kept: taken.append(steps), progress=False
    )
    return learner, buffer, taken


def test_agents_teach_themselves_to_reach_points(explored: tuple[Learner, ReplayBuffer, list[int]]) -> None:
    learner, buffer, taken = explored
    assert taken == [1280, 2560, 3840]
    assert buffer.angles.shape == (2, 128, 20)
    assert (coverage(SQUARES, buffer.positions) == 1).all()
    test = Reaching(SQUARES, 60, np.random.default_rng(0))
    scores = reach(test, learner.model, 0.25, 15, [1, 2])
    untrained = reach(test, MazeModel([generator(s, 1) for s in (1, 2)], 2, "squared_l2", 24, 8), 0.25, 15, [1, 2])
    assert scores["success"].mean() > untrained["success"].mean() + 0.25
    assert scores["spearman"].mean() > 0.7
    alone = one_of(learner.model, 1, "squared_l2")
    goals = torch.from_numpy(test.goals).float()
    both = goal_scores(learner.model, SQUARES, goals.expand(2, -1, -1))
    torch.testing.assert_close(goal_scores(alone, SQUARES, goals[None])[0], both[1], atol=1e-3, rtol=1e-4)
    assert len(learned_distances(test, both[0])) == 60


def test_an_agent_does_not_depend_on_who_learns_beside_it() -> None:
    few = Exploring(rounds=2, episodes=8, episode_steps=6, goals=3, temperature=0.5, capacity=12, steps=4)
    objectives, weights = ["binary_nce", "info_nce"], []
    for chosen, seeds in ((objectives, [1, 2]), (["info_nce"], [2])):
        learner = learner_for(RECIPE, chosen, seeds, 2, 8)
        explore(MazeCollector(SQUARES), learner, few, progress=False)
        weights.append(learner.model.state.get_parameter("0.weight").detach()[-1])
    torch.testing.assert_close(weights[0], weights[1], atol=1e-5, rtol=1e-4)


def test_one_far_goal_and_one_start() -> None:
    few = Exploring(rounds=2, episodes=4, episode_steps=3, goals=3, temperature=0.5, capacity=12, steps=2)
    learner, start = learner_for(RECIPE, ["binary_nce"], [1], 2, 4), (0.5, 0.5)
    buffer = explore(MazeCollector(SQUARES, start), learner, few, goals=one_goal((0.5, 2.5)), progress=False)
    torch.testing.assert_close(buffer.positions[0, :, 0], torch.full((8, 2), 0.5))


def test_way_points_lie_between_and_distances_start_at_nothing(
    explored: tuple[Learner, ReplayBuffer, list[int]],
) -> None:
    learner, buffer, _ = explored
    goals = torch.tensor([[0.5, 2.5]])
    alone = one_of(learner.model, 0, "squared_l2")
    found = plan(alone, SQUARES, goals, buffer.visited(200, [generator(0), generator(1)])[0])
    start = int(SQUARES.at(np.array([[0.5, 0.5]]))[0])
    assert float(found.points[start, 0, 0]) > 1  # the way from the top left to the bottom left leads round the right
    here = alone.encode_state(torch.from_numpy(SQUARES.centres).float()[None])[0]
    there, ahead = alone.encode_state(goals[None])[0], alone.encode_state(found.points[:, 0][None])[0]
    straight = (found.points[:, 0] == goals).all(1)
    assert ((ahead - there).norm(dim=1) < (here - there).norm(dim=1))[~straight].all()  # each leads on
    torch.testing.assert_close(found.planned[straight], found.straight[straight])
    distances = successor_distances(learner.model, SQUARES, torch.from_numpy(SQUARES.centres[:5]).float())
    assert (distances.diagonal(dim1=1, dim2=2) == 0).all()
