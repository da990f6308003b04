"""The environments as Gymnasium and its users see them."""

import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from ucl.errors import InputError
from ucl.maze import layouts
from ucl.maze.environment import DiscreteActions
from ucl.maze.geometry import DIRECTIONS, move
from ucl.maze.instructions import observation_space
from ucl.maze.language import SPLITS, Grammar
from ucl.maze.vector import LanguageMazeVector

IDS = sorted(name for name in gymnasium.registry if name.startswith("ucl/LanguageMaze"))
FORK = "ucl/LanguageMaze-Fork-v0"


def make(**kwargs: object) -> gymnasium.Env:
    return gymnasium.make(FORK, **kwargs)  # type: ignore[arg-type]


def towards(envs: LanguageMazeVector, rng: np.random.Generator) -> np.ndarray:
    """Actions of which most lead along shortest paths, so that episodes end in both ways."""
    gap = envs.tasks.fields.waypoints(envs._positions, envs._tasks) - envs._positions
    good = np.arctan2(gap[:, 1], gap[:, 0]) / np.pi
    aimless = rng.uniform(-1, 1, len(good))
    return np.where(rng.random(len(good)) < 0.8, good, aimless)[:, None]


def test_every_maze_is_registered() -> None:
    assert len(IDS) == 1 + len(layouts.MAZES)
    assert {gymnasium.spec(name).kwargs.get("maze", "fork") for name in IDS} == set(layouts.MAZES)


@pytest.mark.parametrize("name", IDS)
def test_gymnasium_s_checker_has_nothing_to_say(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")  # warnings are errors in every test here
    check_env(gymnasium.make(name).unwrapped)


@pytest.mark.parametrize("name", list(layouts.MAZES))
def test_every_phrase_is_in_the_text_space(name: str) -> None:
    space = observation_space(layouts.get(name))["instruction"]
    assert all(space.contains(text) for split in SPLITS for text in Grammar(layouts.get(name)).phrases(split))


def test_specs_and_environments_pickle() -> None:
    env = DiscreteActions(make(instruction="the first column"))
    again = gymnasium.make(pickle.loads(pickle.dumps(env.spec)))
    assert isinstance(again, DiscreteActions)
    env.reset(seed=3)
    again.reset(seed=3)
    copied = pickle.loads(pickle.dumps(env))
    for action in (0, 5, 12, 3):
        steps = [e.step(action) for e in (env, again, copied)]
        for observation, *_ in steps[1:]:
            np.testing.assert_array_equal(observation["position"], steps[0][0]["position"])


def test_an_episode_by_hand() -> None:
    env = make()
    observation, info = env.reset(options={"instruction": "the first column", "position": (2.25, 0.5)})
    assert observation["instruction"] == "the first column"
    assert info["distance"] == pytest.approx(1.25)
    assert not info["success"]
    column = np.zeros((15, 15), dtype=bool)
    column[::2, 0] = True
    np.testing.assert_array_equal(info["cells"], column)
    observation, reward, terminated, truncated, info = env.step(np.array([-1.0]))
    np.testing.assert_allclose(observation["position"], [1.75, 0.5], atol=1e-9)
    assert (reward, terminated, truncated) == (0.0, False, False)
    env.step(np.array([1.0]))
    observation, reward, terminated, truncated, info = env.step(np.array([1.0]))
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert info["success"]
    assert info["distance"] == 0


def test_the_time_limit_truncates() -> None:
    env = make(max_episode_steps=3)
    env.reset(options={"instruction": "the first column", "position": (14.0, 0.5)})
    ends = [env.step(np.array([0.0]))[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]


def test_seeds_decide_everything() -> None:
    def episode(seed: int) -> list:
        env = DiscreteActions(make(split="test_wording"))
        steps = [env.reset(seed=seed)] + [env.step(action)[:1] for action in (1, 4, 9)]
        return [(step[0]["position"].tolist(), step[0]["instruction"]) for step in steps]

    assert episode(5) == episode(5)
    assert episode(5) != episode(6)


def test_starts_and_instructions_are_even() -> None:
    env = gymnasium.make("ucl/LanguageMaze-UMaze-v0")
    texts, cells = [], []
    for seed in range(600):
        observation, info = env.reset(seed=seed)
        x, y = observation["position"]
        assert layouts.get("umaze").free[int(y), int(x)]
        assert not info["cells"][int(y), int(x)]
        texts.append(observation["instruction"])
        cells.append((int(y), int(x)))
    phrases = Grammar(layouts.get("umaze")).phrases("train")
    assert set(texts) <= set(phrases)
    assert len(set(texts)) > 0.95 * len(phrases)
    assert len(set(cells)) == 7


def test_discrete_actions_are_the_sixteen_directions() -> None:
    env = DiscreteActions(make())
    assert env.action_space.n == 16
    for action in range(16):
        env.reset(options={"instruction": "the first column", "position": (12.5, 7.5)})
        moved = env.step(action)[0]["position"]
        expected = move(layouts.get("fork"), np.array([[12.5, 7.5]]), DIRECTIONS[[action]])[0]
        np.testing.assert_allclose(moved, expected, atol=1e-12)
        np.testing.assert_allclose(np.cos(DIRECTIONS[action]), np.cos(action * np.pi / 8), atol=1e-12)


def test_own_maze_from_text() -> None:
    env = gymnasium.make("ucl/LanguageMaze-v0", maze="...\n.#.\n...", instruction="the last row")
    observation, info = env.reset(seed=0)
    assert observation in env.observation_space
    assert info["cells"].sum() == 3


def test_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    env = make(render_mode="rgb_array")
    env.reset(seed=0, options={"instruction": "the first column", "position": (12.5, 7.5)})
    first = env.render()
    env.step(np.array([0.5]))
    second = env.render()
    assert first.shape == second.shape == (15 * 32 + 28, 15 * 32, 3)
    assert first.dtype == np.uint8
    assert (first != second).any()
    wall, goal, agent = first[28 + 32 + 16, 16], first[28 + 8, 8], first[28 + 240, 400]
    assert len({tuple(colour.tolist()) for colour in (wall, goal, agent)}) == 3
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    human = make(render_mode="human")
    human.reset(seed=0)
    human.step(np.array([0.0]))
    human.close()


@pytest.mark.parametrize(
    ("name", "count", "kwargs"),
    [
        ("Fork", 12, {"split": "test_composition", "max_episode_steps": 40}),
        ("UMaze", 7, {"max_episode_steps": 8}),
        ("NestedPyramid", 9, {"split": "test_wording"}),
        ("Medium", 1, {"instruction": "the first row"}),
    ],
)
def test_the_vector_environment_is_many_single_ones(name: str, count: int, kwargs: dict) -> None:
    rng = np.random.default_rng(0)
    native = gymnasium.make_vec(f"ucl/LanguageMaze-{name}-v0", count, **kwargs)
    synced = gymnasium.make_vec(f"ucl/LanguageMaze-{name}-v0", count, vectorization_mode="sync", **kwargs)
    assert isinstance(native, LanguageMazeVector)
    assert native.metadata["autoreset_mode"] == synced.metadata["autoreset_mode"]
    assert native.observation_space == synced.observation_space
    assert native.action_space == synced.action_space
    ends = np.zeros(2, dtype=int)
    compare(native.reset(seed=11), synced.reset(seed=11))
    for _ in range(150):
        actions = towards(native, rng)
        step, expected = native.step(actions), synced.step(actions)
        assert step[0] in native.observation_space
        compare(step, expected)
        ends += step[2].sum(), step[3].sum()
    assert (ends > (5 if name != "NestedPyramid" else 0)).any()


def compare(found: tuple, expected: tuple) -> None:
    """Equal, step by step; `distance` where the vector environment gives it."""
    np.testing.assert_array_equal(found[0]["position"], expected[0]["position"])
    assert found[0]["instruction"] == tuple(expected[0]["instruction"])
    for mine, other in zip(found[1:-1], expected[1:-1], strict=True):
        np.testing.assert_array_equal(mine, other)
        assert mine.dtype == other.dtype
    infos, others = found[-1], expected[-1]
    assert set(infos) == set(others)
    for key in ("success", "_success", "cells", "_cells"):
        np.testing.assert_array_equal(infos[key], others[key])
    told = infos["_distance"]
    np.testing.assert_allclose(infos["distance"][told], others["distance"][told], atol=1e-12)


def test_vector_distances_at_any_time() -> None:
    envs = gymnasium.make_vec(FORK, 5, vectorization_mode=None)
    synced = gymnasium.make_vec(FORK, 5, vectorization_mode="sync")
    envs.reset(seed=1)
    synced.reset(seed=1)
    actions = np.linspace(-1, 1, 5)[:, None]
    envs.step(actions)
    np.testing.assert_allclose(envs.unwrapped.distances(), synced.step(actions)[-1]["distance"], atol=1e-12)


def test_vector_options_seeds_and_pictures() -> None:
    envs = gymnasium.make_vec(FORK, 3, render_mode="rgb_array")
    options = {"instruction": "the first column", "position": (12.5, 7.5)}
    first, infos = envs.reset(seed=[4, None, 6], options=options)
    np.testing.assert_array_equal(first["position"], [[12.5, 7.5]] * 3)
    assert infos["_distance"].all()
    envs.step(np.array([[0.0], [0.5], [1.0]]))
    frames = envs.render()
    assert len(frames) == 3
    assert (frames[0] != frames[1]).any()
    with pytest.raises(InputError, match="got a list of 2; expected one number, or 3"):
        envs.reset(seed=[1, 2])


@pytest.mark.parametrize(
    ("kwargs", "options", "message"),
    [
        ({"maze": "forks"}, None, "maze 'forks': unknown; did you mean fork?"),
        ({"maze": "##"}, None, "no free cell"),
        ({"split": "valid"}, None, "split 'valid': unknown; allowed: train, test_wording, test_composition"),
        ({"instruction": "go home"}, None, "outside the grammar"),
        ({"maze": "...", "instruction": "the first row"}, None, "denotes every free cell"),
        ({}, {"instruction": "somewhere"}, "outside the grammar"),
        ({}, {"position": (0.5, 1.5)}, "in a wall of maze fork"),
        ({}, {"instruction": "the first row", "position": (0.5, 0.5)}, "denotes its cell; start outside"),
        ({}, {"start": (0.5, 0.5)}, "reset option 'start': unknown; allowed: instruction, position"),
    ],
)
def test_bad_input_is_told_in_one_line(kwargs: dict, options: dict | None, message: str) -> None:
    with pytest.raises(InputError) as error:
        gymnasium.make("ucl/LanguageMaze-v0", **kwargs).reset(seed=0, options=options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_bad_actions_and_render_modes() -> None:
    env = make().unwrapped
    env.reset(seed=0)
    with pytest.raises(InputError, match="action nan: not an angle"):
        env.step(np.array([np.nan]))
    with pytest.raises(InputError, match=r"actions of shape \(2,\): expected one number for each agent, 1 in all"):
        env.step(np.zeros(2))
    envs = gymnasium.make_vec(FORK, 3)
    with pytest.raises(gymnasium.error.ResetNeeded):
        envs.step(np.zeros((3, 1)))
    with pytest.raises(InputError, match="no render_mode was given"):
        env.render()
    with pytest.raises(InputError, match="many mazes have no window"):
        gymnasium.make_vec(FORK, 2, render_mode="human")
