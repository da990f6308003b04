"""The data: what the oracle does, what the annotator says, and both through Minari and back."""

from pathlib import Path

import gymnasium
import minari
import numpy as np
import pytest

from ucl.errors import InputError
from ucl.maze import layouts
from ucl.maze.datasets import dataset_path, load_annotations, load_trajectories, save_annotations, save_trajectories
from ucl.maze.geometry import cells_of, move
from ucl.maze.language import Grammar
from ucl.maze.layouts import Layout
from ucl.maze.planning import Hops
from ucl.maze.walks import Oracle, annotated_states, oracle_trajectories


@pytest.mark.parametrize("oracle", ["breadth_first", "continuous"])
@pytest.mark.parametrize("name", list(layouts.MAZES))
def test_walks_follow_the_motion_and_end_on_entering_a_cell(name: str, oracle: Oracle) -> None:
    layout = layouts.get(name)
    walks = oracle_trajectories(layout, 60, np.random.default_rng(0), oracle=oracle)
    assert walks.lengths.min() >= 1
    for step in range(walks.angles.shape[1]):
        going = step < walks.lengths
        here, there = walks.positions[:, step], walks.positions[:, step + 1]
        np.testing.assert_array_equal(move(layout, here[going], walks.angles[going, step]), there[going])
        np.testing.assert_array_equal(here[~going], there[~going])
    assert (walks.angles[np.arange(walks.angles.shape[1]) >= walks.lengths[:, None]] == 0).all()
    last = layout.index[cells_of(walks.positions[:, -1])]
    before = walks.positions[np.arange(60), walks.lengths - 1]
    assert (layout.index[cells_of(before)] != last).all()


def test_a_noiseless_walk_is_as_short_as_the_hops_allow() -> None:
    layout = layouts.get("pyramid")
    walks = oracle_trajectories(layout, 200, np.random.default_rng(1), noise_degrees=0.0)
    cells = layout.index[cells_of(walks.positions)]
    hops = Hops(layout).count[cells[:, 0], cells[:, -1]]
    assert (np.diff(cells, axis=1) != 0).sum(axis=1).tolist() == hops.tolist()  # never a cell that is not nearer
    assert (walks.lengths <= 2 * hops + 1).all()


def test_the_noise_is_ten_degrees() -> None:
    layout = layouts.get("blank")
    walks = oracle_trajectories(layout, 2000, np.random.default_rng(2), oracle="continuous")
    clean = oracle_trajectories(layout, 2000, np.random.default_rng(2), noise_degrees=0.0, oracle="continuous")
    np.testing.assert_array_equal(walks.positions[:, 0], clean.positions[:, 0])
    off = (walks.angles[:, 0] - clean.angles[:, 0] + np.pi) % (2 * np.pi) - np.pi
    assert np.rad2deg(off.std()) == pytest.approx(10, rel=0.08)
    assert np.rad2deg(off.mean()) == pytest.approx(0, abs=1)


def test_ties_are_broken_both_ways() -> None:
    walks = oracle_trajectories(layouts.get("blank"), 4000, np.random.default_rng(3), noise_degrees=0.0)
    first = np.stack([np.cos(walks.angles[:, 0]), np.sin(walks.angles[:, 0])], axis=1)
    along = np.abs(first).argmax(axis=1)
    assert 0.45 < along.mean() < 0.55


def test_annotations_are_true_and_even() -> None:
    layout = layouts.get("fork")
    states, grammar = annotated_states(layout, 4000, np.random.default_rng(4)), Grammar(layouts.get("fork"))
    phrases = grammar.phrases("train")
    assert set(states.texts) <= set(phrases)
    assert all(
        grammar.denotation(text)[cells_of(position)]
        for position, text in zip(states.positions[:500], states.texts, strict=False)
    )
    true = np.stack([grammar.denotation(text)[layout.free] for text in phrases])
    expected = 4000 * (true / true.sum(axis=0)).mean(axis=1)
    counts = np.array([states.texts.count(text) for text in phrases])
    assert ((counts - expected) ** 2 / expected).sum() / len(phrases) == pytest.approx(1, abs=0.35)


def test_trajectories_through_minari_replay_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = layouts.get("nested_pyramid")
    walks = oracle_trajectories(layout, 20, np.random.default_rng(5))
    save_trajectories(walks, layout, tmp_path, seed=5)
    save_trajectories(walks, layout, tmp_path, seed=5)  # a second time replaces the first
    again = load_trajectories(layout, tmp_path)
    np.testing.assert_array_equal(again.positions, walks.positions)
    np.testing.assert_allclose(again.angles, walks.angles, atol=1e-15)
    np.testing.assert_array_equal(again.lengths, walks.lengths)

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    dataset = minari.load_dataset("ucl/nested_pyramid/oracle-v0")
    assert (dataset.total_episodes, dataset.total_steps) == (20, walks.lengths.sum())
    env = dataset.recover_environment().unwrapped
    grammar = Grammar(layout)
    for episode in dataset:
        assert episode.actions in gymnasium.vector.utils.batch_space(dataset.action_space, len(episode.actions))
        start = layout.index[cells_of(episode.observations[0])]
        words = next(text for text in grammar.phrases("train") if not grammar.denotation(text)[layout.free][start])
        env.reset(options={"instruction": words, "position": episode.observations[0]})
        for action, expected in zip(episode.actions, episode.observations[1:], strict=True):
            np.testing.assert_allclose(env.step(action)[0]["position"], expected, atol=1e-12)


def test_annotations_through_minari(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout.from_text("...\n.#.\n...", "ring")
    states = annotated_states(layout, 50, np.random.default_rng(6))
    save_annotations(states, layout, tmp_path, seed=6)
    again = load_annotations(layout, tmp_path)
    np.testing.assert_array_equal(again.positions, states.positions)
    assert again.texts == states.texts
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    dataset = minari.load_dataset("ucl/ring/annotated-v0")
    np.testing.assert_array_equal(dataset.recover_environment().unwrapped.layout.free, layout.free)
    observations = dataset[0].observations
    assert {"position": observations["position"][7], "instruction": observations["instruction"][7]} in (
        dataset.observation_space
    )


def test_a_relative_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    layout = layouts.get("umaze")
    states = annotated_states(layout, 5, np.random.default_rng(9))
    save_annotations(states, layout, "data")
    assert load_annotations(layout, "data").texts == states.texts


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    layout = layouts.get("umaze")
    walks = oracle_trajectories(layout, 3, np.random.default_rng(7))
    with pytest.raises(TypeError):
        save_trajectories(walks, layout, tmp_path, seed=object())
    assert not dataset_path(tmp_path, "umaze", "oracle").exists()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    with pytest.raises(InputError, match="no oracle data of maze umaze under"):
        load_trajectories(layout, tmp_path)


def test_one_cell_is_not_enough() -> None:
    with pytest.raises(InputError, match="maze own has one free cell"):
        oracle_trajectories(layouts.get("."), 3, np.random.default_rng(8))
