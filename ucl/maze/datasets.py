"""The data sets of a maze on disk, in Minari's format: `<root>/ucl/<maze>/oracle-v0` and `annotated-v0`.

With `MINARI_DATASETS_PATH=<root>`, `minari.load_dataset("ucl/fork/oracle-v0")` finds them too; here nothing but `root`
is read or written. A data set is either whole or absent.
"""

import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import minari
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage

from ucl.errors import InputError
from ucl.maze import environment_id
from ucl.maze.instructions import action_space, observation_space, position_space
from ucl.maze.layouts import MAZES, Layout
from ucl.maze.walks import AnnotatedStates, Trajectories

__all__ = ["dataset_path", "load_annotations", "load_trajectories", "save_annotations", "save_trajectories"]


def dataset_path(root: str | Path, maze: str, kind: str) -> Path:
    """Where a data set lies: `kind` is `oracle` or `annotated`."""
    return Path(root) / "ucl" / maze / f"{kind}-v0" / "data"


def save_trajectories(walks: Trajectories, layout: Layout, root: str | Path, **facts: Any) -> None:
    """Write one episode a walk: positions, and actions in half turns as the environment takes them. No words.

    `facts` (seed, noise, ...) go into the metadata.
    """
    episodes = (
        _episode(walks.positions[i, : n + 1], walks.angles[i, :n, None] / np.pi)
        for i, n in enumerate(walks.lengths.tolist())
    )
    description = "Walks of an oracle along shortest ways with angular noise; no instruction was given to it."
    with _new(
        layout, "oracle", root, (position_space(layout), action_space()), {"description": description, **facts}
    ) as storage:
        storage.update_episodes(episodes)


def load_trajectories(layout: Layout, root: str | Path) -> Trajectories:
    """Read what `save_trajectories` wrote."""
    episodes = list(_load(layout, "oracle", root))
    lengths = np.array([len(episode.actions) for episode in episodes])
    longest = int(lengths.max())
    positions = np.stack([_padded(episode.observations, longest + 1, "edge") for episode in episodes])
    angles = np.stack([_padded(np.pi * episode.actions[:, 0], longest, "constant") for episode in episodes])
    return Trajectories(positions, angles, lengths)


def save_annotations(states: AnnotatedStates, layout: Layout, root: str | Path, **facts: Any) -> None:
    """Write all states as one episode whose steps are independent draws; its only action, 0, says nothing."""
    observations = {"position": states.positions, "instruction": states.texts}
    description = "States drawn evenly, each with a true phrase; one episode, but nothing leads from step to step."
    kinds = observation_space(layout), spaces.Discrete(1)
    with _new(layout, "annotated", root, kinds, {"description": description, **facts}) as storage:
        storage.update_episodes([_episode(observations, np.zeros(len(states.texts) - 1, dtype=np.int64))])


def load_annotations(layout: Layout, root: str | Path) -> AnnotatedStates:
    """Read what `save_annotations` wrote."""
    (episode,) = _load(layout, "annotated", root)
    return AnnotatedStates(episode.observations["position"], list(episode.observations["instruction"]))


def _episode(observations: Any, actions: np.ndarray) -> EpisodeBuffer:
    steps = len(actions)
    ends = np.arange(1, steps + 1) == steps
    return EpisodeBuffer(
        observations=observations, actions=actions, rewards=np.zeros(steps),  # type: ignore[arg-type]
        terminations=np.zeros(steps, dtype=bool), truncations=ends,  # type: ignore[arg-type]
    )  # fmt: skip


@contextmanager
def _new(
    layout: Layout, kind: str, root: str | Path, kinds: tuple[spaces.Space, spaces.Space], facts: Mapping[str, Any]
) -> Iterator[MinariStorage]:
    """A data set to fill, in a temporary directory that takes its place when it is complete."""
    path = dataset_path(root, layout.name, kind).absolute()  # Minari cannot measure what lies at a relative path
    temporary = path.with_name(f".data.{secrets.token_hex(4)}.tmp")
    temporary.mkdir(parents=True)
    try:
        storage = MinariStorage.new(temporary, *kinds, env_spec=_environment(layout))
        identity = {"dataset_id": f"ucl/{layout.name}/{kind}-v0", "minari_version": minari.__version__}
        storage.update_metadata({**identity, "author": {"ucl"}, **facts})
        yield storage
        _compact(temporary / "main_data.hdf5")
        storage.update_metadata({"dataset_size": storage.get_size()})
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _compact(path: Path) -> None:
    """Rewrite an HDF5 file without the room that Minari leaves for episodes to grow: a sixth of the size."""
    loose = path.with_suffix(".loose")
    path.replace(loose)
    with h5py.File(loose) as source, h5py.File(path, "w", libver="latest", track_order=True) as target:
        _copy(source, target)
    loose.unlink()


def _copy(source: h5py.Group, target: h5py.Group) -> None:
    target.attrs.update(source.attrs)
    for name, item in source.items():
        if isinstance(item, h5py.Group):
            _copy(item, target.create_group(name))
        else:
            checked = item.ndim > 0 and item.dtype.kind in "biuf"  # a damaged file is an error when it is read
            target.create_dataset(name, data=item[()], dtype=item.dtype, fletcher32=checked)


def _environment(layout: Layout) -> EnvSpec:
    if layout.name in MAZES:
        return gymnasium.spec(environment_id(layout.name))
    spec = deepcopy(gymnasium.spec(environment_id(None)))
    spec.kwargs["maze"] = layout.text
    return spec


def _load(layout: Layout, kind: str, root: str | Path) -> Iterable[Any]:
    path = dataset_path(root, layout.name, kind)
    if not (path / "metadata.json").is_file():
        raise InputError(f"no {kind} data of maze {layout.name} under {root}; make it with the rule make_maze_data")
    return minari.MinariDataset(path).iterate_episodes()


def _padded(values: np.ndarray, length: int, mode: Any) -> np.ndarray:
    return np.pad(values, [(0, length - len(values))] + [(0, 0)] * (values.ndim - 1), mode)
