"""Two agents and one instruction, to be watched: direct comparison beside LogSumExp, in a terminal or as a GIF."""

import zlib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ucl.errors import InputError
from ucl.maze import geometry
from ucl.maze.exploration.explorer import Exploring, MazeCollector, explore, learner_for
from ucl.maze.exploration.learner import Learning
from ucl.maze.exploration.words import learn_words
from ucl.maze.language import Grammar
from ucl.maze.layouts import Layout
from ucl.maze.models import MazeModel, Tokenizer
from ucl.maze.policies import TablePolicy, critic_tables, monte_carlo_scores
from ucl.maze.rollout import Episodes, rollout, sample_episodes
from ucl.maze.state_grid import Squares
from ucl.maze.training import Annotations, Futures, Recipe, sample_bank, train
from ucl.maze.walks import annotated_states, oracle_trajectories
from ucl.runtime import generator
from ucl.tensors import read_tensors

__all__ = ["Agents", "Teacher", "text_frame"]

WALKS, STATES, BANK, RESOLUTION = 3000, 30_000, 512, 4
QUICK = Recipe(
    seeds=1, critic="squared_l2", dimension=32, width=128, batch=128, steps=800, learning_rate=0.01, discount=0.97,
    action_negatives=4,
)  # fmt: skip
QUICK_ROUNDS = Exploring(
    rounds=5, episodes=512, episode_steps=60, goals=64, temperature=0.5, capacity=4096, steps=200
)  # fmt: skip
QUICK_CRITIC = Learning(
    critic="squared_l2", dimension=32, width=96, batch=256, learning_rate=0.01, discount=QUICK.discount
)  # fmt: skip
OBJECTIVE, WORD_STEPS = "info_nce_penalised", 400
SIGNS = {"direct": "D", "monte_carlo": "L"}


class Teacher(StrEnum):
    """What an agent learned its ways from: an oracle's walks, or its own."""

    ORACLE = "oracle"
    EXPLORED = "explored"


class Agents:
    """One seed's agents in one maze: read from a file of weights, or trained on the spot (about a minute)."""

    def __init__(
        self,
        layout: Layout,
        weights: str | Path | None = None,
        teacher: Teacher = Teacher.ORACLE,
        *,
        progress: bool = True,
    ) -> None:
        self.layout, self.squares, self.grammar = layout, Squares(layout, RESOLUTION), Grammar(layout)
        self.tokenizer = self.tokenizer_of(layout)
        random = np.random.default_rng([zlib.crc32(layout.text.encode()), 6])
        if teacher == Teacher.EXPLORED:
            self.model, self.bank = self._explore(random, progress)
            return
        futures = Futures.of(oracle_trajectories(layout, WALKS, random))
        self.bank = sample_bank(futures, BANK, QUICK.discount)
        if weights is None:
            said = annotated_states(layout, STATES, random)
            annotations = Annotations.of(said.positions, said.texts, self.tokenizer)
            self.model, _ = train(futures, annotations, len(self.tokenizer), QUICK, progress=progress)
        else:
            self.model = self._read(Path(weights))

    @staticmethod
    def tokenizer_of(layout: Layout) -> Tokenizer:
        """The words that agents of a maze know."""
        return Tokenizer.fit(Grammar(layout).phrases("train"))

    def walk(
        self, instruction: str, start: tuple[float, float] | None, limit: int, seed: int
    ) -> dict[str, Float[np.ndarray, "steps 2"]]:
        """The way of each agent; without `start`, from a position drawn evenly outside the denoted cells."""
        cells = self.grammar.denotation(instruction)
        if (cells == self.layout.free).all():
            raise InputError(f"instruction {instruction!r} denotes every free cell: no start is left; say less")
        episodes = sample_episodes(self.layout, cells[None], 1, np.random.default_rng(seed))
        if start is not None:
            placed = geometry.place(self.layout, np.array([start]))
            episodes = Episodes(self.layout, cells[None], episodes.fields, placed, episodes.tasks)
        tables = critic_tables(self.model, self.squares, self.tokenizer([instruction]), self.bank)[0]
        ways = {}
        for name, scores in (("direct", tables.direct), ("monte_carlo", monte_carlo_scores(tables))):
            path: list[np.ndarray] = []
            policy = TablePolicy(self.squares, scores, sample=True)
            rollout(episodes, policy, limit, np.random.default_rng(seed), path)
            ways[name] = np.stack(path)[:, 0]
        return ways

    def _explore(self, random: np.random.Generator, progress: bool) -> tuple[MazeModel, Float[Tensor, "bank 2"]]:
        """An agent that finds its own way, then hears words of annotated states; and states of its own walks."""
        steps = QUICK_ROUNDS.rounds * QUICK_ROUNDS.steps
        learner = learner_for(QUICK_CRITIC, [OBJECTIVE], [0], len(self.tokenizer), steps)
        lived = explore(MazeCollector(self.squares), learner, QUICK_ROUNDS, progress=progress)
        said = annotated_states(self.layout, STATES, random)
        annotations = Annotations.of(said.positions, said.texts, self.tokenizer)
        learn_words(learner, lived, annotations, WORD_STEPS, progress=progress)
        return learner.model, lived.sample(BANK, QUICK.discount, [generator(0, 5)])[2][0]

    def _read(self, path: Path) -> MazeModel:
        if not path.is_file():
            raise InputError(f"no weights at {path}; make them with snakemake, or leave --weights out to train now")
        tensors = read_tensors(path)
        if "words.table" not in tensors or tensors["words.table"].shape[1] != len(self.tokenizer):
            raise InputError(f"weights {path} are not of maze {self.layout.name}: their words differ; give its own")
        return MazeModel.from_tensors(tensors, QUICK.critic)


def text_frame(layout: Layout, instruction: str, ways: Mapping[str, Float[np.ndarray, "_ 2"]], step: int) -> str:
    """The mazes side by side in characters: walls, denoted cells, D (direct) and L (LogSumExp) with their trails."""
    cells = Grammar(layout).denotation(instruction)
    sides = []
    for name, way in ways.items():
        picture = np.where(layout.free, np.where(cells, "░░", "  "), "██").astype("U2")
        row, column = geometry.cells_of(way[: step + 1])
        picture[row[:-1], column[:-1]] = "··"
        picture[row[-1], column[-1]] = SIGNS[name] + " "
        edge = "▄" * (2 * layout.shape[1] + 2)
        title = f"{name} {min(step, len(way) - 1):3d} steps"[: len(edge)].ljust(len(edge))
        body = ["█" + "".join(line) + "█" for line in picture]
        sides.append([title, edge, *body, edge.replace("▄", "▀")])
    return "\n".join("   ".join(lines) for lines in zip(*sides, strict=True))
