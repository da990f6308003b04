"""One maze's experiment: the instructions of the test, and every policy on them, seed by seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from tqdm import tqdm

from ucl.maze import layouts
from ucl.maze.datasets import load_annotations, load_trajectories
from ucl.maze.distilled import distilled_tables
from ucl.maze.language import Grammar
from ucl.maze.layouts import Layout
from ucl.maze.models import MazeModel, Tokenizer
from ucl.maze.policies import (
    CriticTables,
    Policy,
    RandomPolicy,
    ShortestPath,
    TablePolicy,
    best_state_scores,
    critic_tables,
    exact_scores,
    monte_carlo_scores,
)
from ucl.maze.rollout import Episodes, sample_episodes, score_policy
from ucl.maze.state_grid import Squares
from ucl.maze.training import Annotations, Futures

__all__ = [
    "Test",
    "learned_policies",
    "read_data",
    "reference_policies",
    "score_banks",
    "score_policies",
    "test_instructions",
]

WORDED = ("direct", "monte_carlo", "exact_occupancy")  # also tested on wordings of the training phrases


def test_instructions(grammar: Grammar) -> pd.DataFrame:
    """All phrases of both test splits, and for every held-out wording one wording in training of the same region.

    Columns: text, split (`seen`, `test_wording`, `test_composition`), kind, cells, share (of the free cells).
    """
    held_out = grammar.phrases("test_wording")
    seen = list(dict.fromkeys(grammar.same_meaning(text)[0] for text in held_out))
    splits = {"seen": seen, "test_wording": held_out, "test_composition": grammar.phrases("test_composition")}
    table = pd.DataFrame(
        [(text, split) for split, texts in splits.items() for text in texts], columns=["text", "split"]
    )
    table["kind"] = [grammar.kind(text) for text in table["text"]]
    table["cells"] = [int(grammar.denotation(text).sum()) for text in table["text"]]
    table["share"] = table["cells"] / int(grammar.free.sum())
    return table


@dataclass(frozen=True, eq=False)
class Test:
    """The test of one maze: instructions, candidate actions on squares, starts per seed."""

    layout: Layout
    resolution: int
    starts: int
    limit: int

    @cached_property
    def grammar(self) -> Grammar:
        return Grammar(self.layout)

    @cached_property
    def instructions(self) -> pd.DataFrame:
        return test_instructions(self.grammar)

    @cached_property
    def squares(self) -> Squares:
        return Squares(self.layout, self.resolution)

    @cached_property
    def cells(self) -> Bool[np.ndarray, "tasks rows columns"]:
        """What every instruction denotes."""
        return np.stack([self.grammar.denotation(text) for text in self.instructions["text"]])

    @cached_property
    def relevance(self) -> Float[Tensor, "tasks cells"]:
        """p(words | cell) up to a factor per phrase: an annotator says any true training phrase with equal chance."""
        said = sum(
            self.grammar.denotation(text)[self.layout.free].astype(float) for text in self.grammar.phrases("train")
        )
        return torch.from_numpy(self.cells[:, self.layout.free] / np.maximum(said, 1)).float()

    def episodes(self, seed: int) -> Episodes:
        """The starts that all policies share under one seed."""
        return sample_episodes(self.layout, self.cells, self.starts, np.random.default_rng([seed, 3]))


def read_data(maze: str, root: str | Path) -> tuple[Futures, Annotations, Tokenizer]:
    """The two data sets of a maze as training takes them, and the words of its training phrases."""
    layout = layouts.get(maze)
    tokenizer = Tokenizer.fit(Grammar(layout).phrases("train"))
    said = load_annotations(layout, root)
    return Futures.of(load_trajectories(layout, root)), Annotations.of(said.positions, said.texts, tokenizer), tokenizer


def learned_policies(squares: Squares, tables: CriticTables) -> Iterator[tuple[str, Policy]]:
    """The policies of one model, one at a time: their tables are large."""
    yield "direct", TablePolicy(squares, tables.direct, sample=True)
    yield "direct_argmax", TablePolicy(squares, tables.direct, sample=False)
    summed = monte_carlo_scores(tables)
    yield "monte_carlo", TablePolicy(squares, summed, sample=True)
    yield "monte_carlo_argmax", TablePolicy(squares, summed, sample=False)
    yield "sampled_goal", TablePolicy(squares, tables.future, sample=True, goals=tables.words)
    yield "best_state", TablePolicy(squares, best_state_scores(tables), sample=True)


def reference_policies(test: Test, occupancy: Float[Tensor, "squares actions cells"]) -> Iterator[tuple[str, Policy]]:
    """Policies that learned nothing: chance, exact critics, and the ceiling."""
    yield "random", RandomPolicy()
    yield "shortest_path", ShortestPath(test.episodes(0).fields)
    scores = exact_scores(occupancy, test.relevance)
    yield "exact_occupancy", TablePolicy(test.squares, scores, sample=True)
    yield "exact_occupancy_argmax", TablePolicy(test.squares, scores, sample=False)


def score_policies(
    test: Test,
    model: MazeModel,
    tokenizer: Tokenizer,
    bank: Float[Tensor, "bank 2"],
    occupancy: Float[Tensor, "squares actions cells"] | None,
    said: Int[Tensor, "words longest"] | None = None,
    *,
    progress: bool = True,
) -> pd.DataFrame:
    """Every policy on every instruction: policy, seed, text, split, kind, cells, share, success, steps, spl.

    Given words that were `said` in the data, the distilled policy too (`ucl.maze.distilled`).
    """
    ids = tokenizer(list(test.instructions["text"]))
    tables = critic_tables(model, test.squares, ids, bank)
    distilled = [] if said is None else distilled_tables(model, test.squares, ids, bank, said)
    episodes = [test.episodes(seed) for seed in range(len(tables))]
    parts = []
    for seed, table in enumerate(tqdm(tables, desc="act", unit="seed", disable=not progress)):
        for name, policy in learned_policies(test.squares, table):
            parts.append(_scored(test, episodes, name, policy, seed))
    for seed, scores in enumerate(distilled):
        parts.append(_scored(test, episodes, "distilled", TablePolicy(test.squares, scores, sample=True), seed))
    if occupancy is not None:
        for name, policy in reference_policies(test, occupancy):
            parts += [_scored(test, episodes, name, policy, seed) for seed in range(len(tables))]
    return pd.concat(parts, ignore_index=True)


def _scored(test: Test, episodes: list[Episodes], name: str, policy: Policy, seed: int) -> pd.DataFrame:
    mine = episodes[seed]
    if name not in WORDED:
        mine = mine.only((test.instructions["split"] != "seen").to_numpy())
    scores = score_policy(mine, policy, test.limit, np.random.default_rng([seed, 4]))
    described = test.instructions.iloc[scores["task"]].reset_index(drop=True)
    return pd.concat([described, scores.drop(columns="task")], axis=1).assign(policy=name, seed=seed)


def score_banks(
    test: Test,
    model: MazeModel,
    tokenizer: Tokenizer,
    states: Float[Tensor, "n 2"],
    sizes: Sequence[int],
    *,
    progress: bool = True,
) -> pd.DataFrame:
    """LogSumExp over the first states of a bank, for several sizes of it: as `score_policies`, with a column `bank`."""
    ids = tokenizer(list(test.instructions["text"]))
    parts = []
    for size in tqdm(sizes, desc="bank", disable=not progress):
        tables = critic_tables(model, test.squares, ids, states[:size])
        episodes = [test.episodes(seed) for seed in range(len(tables))]
        for seed, table in enumerate(tables):
            policy = TablePolicy(test.squares, monte_carlo_scores(table), sample=True)
            parts.append(_scored(test, episodes, "monte_carlo", policy, seed).assign(bank=size))
    return pd.concat(parts, ignore_index=True)
