"""Exact occupancies against simulation, policies against brute force, training against what it should learn."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import trim_mean

from ucl.errors import InputError
from ucl.experiments.maze.scoring import Test as MazeTest
from ucl.experiments.maze.scoring import score_policies
from ucl.experiments.maze.summary import metrics, tabulate_claims
from ucl.maze import distilled, geometry, layouts
from ucl.maze import walks as data
from ucl.maze.language import Grammar
from ucl.maze.models import MazeModel, Tokenizer
from ucl.maze.occupancy import exact_occupancy
from ucl.maze.planning import Distances
from ucl.maze.policies import (
    CriticTables,
    RandomPolicy,
    ShortestPath,
    TablePolicy,
    best_state_scores,
    critic_tables,
    exact_scores,
    monte_carlo_scores,
)
from ucl.maze.rollout import rollout, sample_episodes, score_policy
from ucl.maze.state_grid import Squares
from ucl.maze.training import Annotations, Futures, Recipe, train
from ucl.runtime import generator
from ucl.statistics.interquartile import interquartile_mean

UMAZE = layouts.get("umaze")
SETTINGS = Recipe(
    seeds=2,
    critic="squared_l2",
    dimension=8,
    width=32,
    batch=64,
    steps=150,
    learning_rate=0.01,
    discount=0.9,
    action_negatives=3,
)


def walks(count: int, seed: int = 0) -> data.Trajectories:
    return data.oracle_trajectories(UMAZE, count, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def trained() -> tuple[MazeModel, Tokenizer, Futures]:
    tokenizer = Tokenizer.fit(Grammar(UMAZE).phrases("train"))
    said = data.annotated_states(UMAZE, 4000, np.random.default_rng(1))
    futures = Futures.of(walks(400))
    annotations = Annotations.of(said.positions, said.texts, tokenizer)
    model, curves = train(futures, annotations, len(tokenizer), SETTINGS, progress=False)
    early, late = curves[curves["step"] < 30], curves[curves["step"] > 120]
    for loss in ("loss_future", "loss_words", "loss_action"):
        assert late[loss].mean() < early[loss].mean() - 0.2
    return model, tokenizer, futures


def test_squares_hold_their_own_points() -> None:
    squares = Squares(layouts.get("fork"), 3)
    everyone = np.arange(len(squares.centres))
    np.testing.assert_array_equal(squares.at(squares.centres), everyone)
    for corner in range(4):
        np.testing.assert_array_equal(squares.at(squares.points[:, corner]), everyone)
    row, column = geometry.cells_of(squares.centres)
    np.testing.assert_array_equal(squares.layout.index[row, column], squares.cell)


def test_futures_stay_in_their_trajectory_and_are_geometric() -> None:
    track = walks(50)
    futures = Futures.of(track)
    assert len(futures.moving) == track.lengths.sum()
    first = slice(0, int(track.lengths[0]) + 1)
    np.testing.assert_allclose(futures.positions[first], track.positions[0, : track.lengths[0] + 1], atol=1e-6)
    # On a straight road of 1,000 steps nothing is cut off, and positions tell how far ahead a future state is.
    road = np.stack([np.arange(1001.0), np.zeros(1001)], axis=1)[None]
    line = Futures.of(data.Trajectories(road, np.zeros((1, 1000)), np.array([1000])))
    here, _, there = line.sample(20_000, 0.8, generator(1))
    ahead = (there - here)[here[:, 0] < 900, 0]
    assert ahead.min() == 1
    assert abs(ahead.mean() - 5) < 0.15
    assert abs((ahead > 1).float().mean() - 0.8) < 0.01


def test_exact_occupancy_agrees_with_simulation() -> None:
    """Histogram of what really followed, for transitions near a square and a direction."""
    discount = 0.9
    squares = Squares(UMAZE, 4)
    exact, actions = exact_occupancy(squares, geometry.DIRECTIONS, discount, 10.0)
    np.testing.assert_allclose(exact.sum(-1), 1, atol=1e-4)
    np.testing.assert_allclose(actions.sum(-1), 1, atol=1e-4)
    futures = Futures.of(walks(20_000))
    position, angle, future = futures.sample(400_000, discount, generator(3))
    nearest = np.argmin(np.cos(angle.numpy()[:, None] - geometry.DIRECTIONS - np.pi), axis=1)
    cell = UMAZE.index[geometry.cells_of(position.double().numpy())]
    reached = UMAZE.index[geometry.cells_of(future.double().numpy())]
    checked = 0
    for start in range(len(UMAZE.cells)):
        for direction in (0, 4, 8, 12):  # 16 directions, of which the oracle's headings lie near these
            mine = (cell == start) & (nearest == direction)
            if mine.sum() < 3000:
                continue
            weights = np.bincount(squares.at(position[mine].double().numpy()), minlength=len(squares.centres))
            expected = (weights[:, None] * exact[:, direction]).sum(0) / weights.sum()
            seen = np.bincount(reached[mine], minlength=len(UMAZE.cells)) / mine.sum()
            assert np.abs(expected - seen).sum() / 2 < 0.06  # total variation
            checked += 1
    assert checked >= 6


def test_scores_against_brute_force() -> None:
    random = torch.Generator().manual_seed(0)
    future, words = torch.randn(5, 16, 7, generator=random) * 4, torch.randn(3, 7, generator=random) * 4
    tables = CriticTables(torch.zeros(5, 16, 3), future, words)
    pairs = future[:, :, None].double() + words.double()
    summed = torch.logsumexp(pairs, -1) - math.log(7)
    torch.testing.assert_close(monte_carlo_scores(tables).double(), summed, atol=2e-5, rtol=0)
    torch.testing.assert_close(best_state_scores(tables).double(), pairs.amax(-1), atol=1e-5, rtol=0)
    occupancy = torch.softmax(future, -1)
    relevance = (words > 0).float()
    exact = torch.einsum("sac,tc->sat", occupancy, relevance) / 7
    torch.testing.assert_close(exact_scores(occupancy, relevance).exp(), exact, atol=1e-6, rtol=1e-4)


def test_tables_are_the_critics_own_values(trained: tuple[MazeModel, Tokenizer, Futures]) -> None:
    model, tokenizer, futures = trained
    squares, bank = Squares(UMAZE, 2), futures.sample(9, 0.9, generator(4))[2]
    tables = critic_tables(model, squares, tokenizer(["the first column"]), bank)
    scale = model.log_scale[1, 0].exp()
    place = torch.from_numpy(squares.centres[5]).float().expand(2, 1, 2)
    angle = torch.from_numpy(geometry.DIRECTIONS[3:4]).float().expand(2, 1, 1)
    x, y = model.encode_actions(place, angle)[1, 0, 0], model.encode_state(bank.expand(2, -1, -1))[1]
    expected = -scale * (x - y).square().sum(-1) / 2
    torch.testing.assert_close(tables[1].future[5, 3], expected.detach(), atol=1e-3, rtol=1e-4)


def test_table_policy_draws_in_proportion_and_takes_the_best() -> None:
    squares = Squares(UMAZE, 1)
    scores = torch.full((7, 16, 1), -30.0)
    scores[:, 2], scores[:, 9] = 0.0, math.log(3)
    positions, column = np.repeat(squares.centres[:1], 4000, axis=0), np.zeros(4000, dtype=np.intp)
    drawn = TablePolicy(squares, scores, sample=True).act(positions, column, np.random.default_rng(0))
    assert set(drawn) == {geometry.DIRECTIONS[2], geometry.DIRECTIONS[9]}
    assert abs((drawn == geometry.DIRECTIONS[9]).mean() - 0.75) < 0.03
    best = TablePolicy(squares, scores, sample=False).act(positions, column, np.random.default_rng(0))
    assert (best == geometry.DIRECTIONS[9]).all()
    goals = torch.tensor([[0.0, math.log(3)]])
    keeps = TablePolicy(squares, scores.expand(-1, -1, 2), sample=True, goals=goals)
    assert abs(keeps.begin(column, np.random.default_rng(1)).mean() - 0.75) < 0.03


def test_rollout_takes_the_ceiling_and_counts_steps() -> None:
    layout = layouts.get("fork")
    cells = np.stack([Grammar(layout).denotation(text) for text in ("the first column", "the last row")])
    episodes = sample_episodes(layout, cells, 40, np.random.default_rng(0))
    assert not episodes.cells[(episodes.tasks, *geometry.cells_of(episodes.starts))].any()
    path: list[np.ndarray] = []
    success, steps = rollout(
        episodes, ShortestPath(Distances(layout).fields(cells)), 200, np.random.default_rng(0), path
    )
    assert success.all()
    assert (steps >= episodes.shortest).all()
    assert (steps <= episodes.shortest + 4).all()  # at most a step lost per corner
    moved = np.linalg.norm(np.diff(np.stack(path), axis=0), axis=-1)
    assert moved.max() <= geometry.STEP + 1e-9
    chance = score_policy(episodes, RandomPolicy(), 30, np.random.default_rng(0))
    assert (chance["spl"] <= chance["success"]).all()
    assert chance["success"].mean() < 0.5


def test_interquartile_mean_and_its_interval() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(0.5, 0.1, size=(8, 40))
    result = interquartile_mean(scores, np.random.default_rng(1))
    assert result.value == pytest.approx(trim_mean(scores.ravel(), 0.25))
    assert result.low < result.value < result.high
    # 320 scores of standard deviation 0.1: the trimmed mean's standard error is about 0.1 / sqrt(320) * 1.1.
    assert result.high - result.low == pytest.approx(2 * 1.96 * 0.1 / math.sqrt(320) * 1.1, rel=0.35)
    constant = interquartile_mean(np.full((4, 3), 0.25), np.random.default_rng(1))
    assert (constant.value, constant.low, constant.high) == (0.25, 0.25, 0.25)


def test_agents_learn_to_follow_words(
    trained: tuple[MazeModel, Tokenizer, Futures], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From pairs that never held an action with words, LogSumExp does far better than chance on words never seen."""
    model, tokenizer, futures = trained
    test = MazeTest(UMAZE, resolution=2, starts=5, limit=25)
    exact, actions = (torch.from_numpy(part) for part in exact_occupancy(test.squares, geometry.DIRECTIONS, 0.9, 10.0))
    bank = futures.sample(128, 0.9, generator(4))[2]
    monkeypatch.setattr(distilled, "STEPS", 60)
    said = tokenizer(test.grammar.phrases("train"))
    scores = score_policies(test, model, tokenizer, bank, exact * actions[..., None], said, progress=False)
    again = score_policies(test, model, tokenizer, bank, exact * actions[..., None], progress=False)
    assert scores[scores["policy"] != "distilled"].reset_index(drop=True).equals(again)
    mean = scores.groupby("policy")["success"].mean()
    assert mean["monte_carlo"] > mean["random"] + 0.3
    assert mean["distilled"] > mean["random"] + 0.15
    assert mean["exact_occupancy"] > 0.95
    assert mean["shortest_path"] == 1
    summary = metrics(scores.assign(maze="umaze"))["umaze"]
    assert set(summary["monte_carlo"]) == {"success", "ci95", "spl", "steps", "seeds"}
    claims = tabulate_claims(scores.assign(maze="umaze")).iloc[0]
    assert claims["success_gain_low"] <= claims["success_gain"] <= claims["success_gain_high"]


def test_a_model_survives_its_file(trained: tuple[MazeModel, Tokenizer, Futures]) -> None:
    model, tokenizer, _ = trained
    again = MazeModel.from_tensors(model.state_dict(), "squared_l2")
    ids = tokenizer(["where the first row meets column two"]).expand(2, -1, -1)
    torch.testing.assert_close(again.encode_words(ids), model.encode_words(ids))


def test_tokens_and_padding_do_not_matter(trained: tuple[MazeModel, Tokenizer, Futures]) -> None:
    model, tokenizer, _ = trained
    alone = model.encode_words(tokenizer(["the first row"]).expand(2, -1, -1))
    beside = model.encode_words(tokenizer(["the first row", "the first row from the top"]).expand(2, -1, -1))
    torch.testing.assert_close(alone[:, 0], beside[:, 0])
    assert tokenizer(["The FIRST row!"]).tolist() == tokenizer(["the first row"]).tolist()
    assert tokenizer(["xylophone"]).tolist() == [[1]]


def test_wrong_words_are_one_line() -> None:
    with pytest.raises(InputError, match="outside the grammar"):
        Grammar(UMAZE).denotation("the fifth dimension")
