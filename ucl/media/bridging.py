"""Retrieval between modalities that no model was trained on together, from embedding stores alone (6.2.1, C.2).

A suite is a table of items and a folder of stores `<model>.<modality>.parquet`. The models of a suite have roles:
`image_text`, `audio_text` and `audio_image` saw one kind of pair, `joint_<middle>` two kinds that share the modality in
the middle. A task asks for one modality by another through the third; methods whose models have no store are left out.

Items: id, modality, split, label (what makes two items match; null where nothing does), bank (whether the item stands
in the bank of its modality), source (for people). Queries and candidates are the labelled items of the test split.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy.stats import t as student
from torch import Tensor

from ucl.bank import Bank
from ucl.bridge import Bridge
from ucl.critics import Cosine
from ucl.errors import InputError
from ucl.media.base import Modality, pair_scale
from ucl.media.retrieval import KS, candidate_sets, draw_sets, recall
from ucl.media.store import Store, read_store
from ucl.runtime import generator
from ucl.spheres import uniform_sphere
from ucl.uniformity import published_ks, sphericity

__all__ = [
    "METHODS",
    "PAIRED",
    "TASKS",
    "Suite",
    "Task",
    "bridge",
    "describe_runs",
    "evaluate",
    "evaluate_bank_sizes",
    "read_suite",
    "scores_of",
    "summarise",
    "summarise_uniformity",
    "uniformity_of_banks",
    "with_intervals",
]

METHODS = ("direct_disparate", "monte_carlo_disparate", "direct_joint", "monte_carlo_joint", "ground_truth")
# The ImageBind role on images and texts, which it was trained on (as the original was): a baseline of Fig. 6.
PAIRED = "direct_joint_paired"
ISOMETRIES = 20  # ways to lay one space into another over which the direct comparison of unlike spaces is averaged


@dataclass(frozen=True)
class Task:
    """Find `candidate` by `query`, through `middle`."""

    query: Modality
    middle: Modality
    candidate: Modality

    @property
    def name(self) -> str:
        return f"{self.query}_to_{self.candidate}"

    @property
    def first(self) -> str:
        """The model of (query, middle)."""
        return _pair_model(self.query, self.middle)

    @property
    def second(self) -> str:
        """The model of (middle, candidate)."""
        return _pair_model(self.middle, self.candidate)

    @property
    def joint(self) -> str:
        """The model of both, with one tower in the middle."""
        return f"joint_{self.middle}"

    @property
    def truth(self) -> str:
        """The model that was trained on (query, candidate)."""
        return _pair_model(self.query, self.candidate)


TASKS = (
    Task("audio", "text", "image"),
    Task("image", "text", "audio"),
    Task("image", "audio", "text"),
    Task("text", "audio", "image"),
    Task("audio", "image", "text"),
    Task("text", "image", "audio"),
)


def _pair_model(one: Modality, other: Modality) -> str:
    order = ("audio", "image", "text")
    return "_".join(sorted((one, other), key=order.index))


@dataclass(frozen=True)
class Suite:
    """Items and the stores of one set of models (one seed)."""

    items: pd.DataFrame
    stores: Mapping[tuple[str, Modality], Store]

    def tested(self, modality: Modality) -> pd.DataFrame:
        """Queries or candidates: labelled items of the test split."""
        items = self.items
        return items[(items["modality"] == modality) & (items["split"] == "test") & items["label"].notna()]

    def bank_ids(self, modality: Modality) -> list[str]:
        """What stands in the bank of a modality."""
        return list(self.items.loc[(self.items["modality"] == modality) & self.items["bank"], "id"])

    def has(self, model: str, *modalities: Modality) -> bool:
        return all((model, modality) in self.stores for modality in modalities)

    def rows(self, model: str, modality: Modality, ids: Sequence[str]) -> Float[Tensor, "n d"]:
        return self.stores[model, modality].select(ids).embeddings

    def critic(self, model: str, one: Modality, other: Modality) -> Cosine:
        """The critic with its learned scale."""
        return Cosine(scale=pair_scale(self.stores[model, one].info, self.stores[model, other].info))


def read_suite(items: str | Path, folder: str | Path) -> Suite:
    """The items, and every store `<model>.<modality>.parquet` of a folder."""
    stores: dict[tuple[str, Modality], Store] = {}
    for path in sorted(Path(folder).glob("*.*.parquet")):
        role, modality = path.name.removesuffix(".parquet").split(".")
        stores[role, modality] = read_store(path)  # type: ignore[index]
    if not stores:
        raise InputError(f"{folder}: expected stores like image_text.image.parquet, found none; embed the items first")
    return Suite(pd.read_parquet(items), stores)


# --- scores ------------------------------------------------------------------------------------------------------


def scores_of(suite: Suite, task: Task, method: str, seed: int = 0) -> Iterator[Float[Tensor, "n k"]]:
    """Score matrices of all queries against all candidates; none where the suite lacks the models.

    One matrix, but for the direct comparison of spaces of different width, which have no axes in common: there one per
    random isometry of the narrower into the wider, since any single choice is right by luck for some labels.
    """
    query, candidate = list(suite.tested(task.query)["id"]), list(suite.tested(task.candidate)["id"])
    disparate = suite.has(task.first, task.query, task.middle) and suite.has(task.second, task.middle, task.candidate)
    if method == "direct_disparate" and disparate:
        a, c = suite.rows(task.first, task.query, query), suite.rows(task.second, task.candidate, candidate)
        for x, y in _in_one_space(a, c, seed):
            yield Cosine().similarity(x, y)
    elif method == "monte_carlo_disparate" and disparate:
        yield (
            bridge(suite, task, task.first, task.second)
            .score(
                suite.rows(task.first, task.query, query),
                suite.rows(task.second, task.candidate, candidate),
                progress=False,
            )
            .scores
        )
    elif method in ("direct_joint", "monte_carlo_joint") and suite.has(task.joint, task.query, task.candidate):
        a, c = suite.rows(task.joint, task.query, query), suite.rows(task.joint, task.candidate, candidate)
        if method == "direct_joint":
            yield Cosine().similarity(a, c)
        elif suite.has(task.joint, task.middle):
            yield bridge(suite, task, task.joint, task.joint).score(a, c, progress=False).scores
    elif method in ("ground_truth", PAIRED):
        model = task.truth if method == "ground_truth" else "joint_image"
        if suite.has(model, task.query, task.candidate) and (method != PAIRED or task.middle == "audio"):
            a, c = suite.rows(model, task.query, query), suite.rows(model, task.candidate, candidate)
            yield Cosine().similarity(a, c)


def bridge(suite: Suite, task: Task, first: str, second: str, ids: Sequence[str] | None = None) -> Bridge:
    """The bridge of a task through two models (or one joint model twice), over its bank or the part `ids` of it."""
    ids = suite.bank_ids(task.middle) if ids is None else ids
    if not ids:
        raise InputError(f"the bank of {task.middle} is empty: no item of that modality has bank = true")
    bank = Bank(suite.rows(first, task.middle, ids), suite.rows(second, task.middle, ids))
    ab = suite.critic(first, task.query, task.middle)
    return Bridge(ab, suite.critic(second, task.candidate, task.middle), bank)


def _in_one_space(
    a: Float[Tensor, "n d1"], c: Float[Tensor, "k d2"], seed: int
) -> Iterator[tuple[Float[Tensor, "n d"], Float[Tensor, "k d"]]]:
    """As they are where the widths agree; else with the narrower laid into the wider by random isometries."""
    if a.shape[1] == c.shape[1]:
        yield a, c
        return
    narrow, wide = sorted((a.shape[1], c.shape[1]))
    for i in range(ISOMETRIES):
        frame = torch.linalg.qr(uniform_sphere(narrow, wide, generator=generator(seed, 7, i)).mT)[0]
        yield (a @ frame.mT, c) if a.shape[1] == narrow else (a, c @ frame.mT)


# --- recall ---------------------------------------------------------------------------------------


def evaluate(suite: Suite, sizes: Sequence[int], draws: int, seed: int) -> pd.DataFrame:
    """Recall of every task and method among each number of candidates, the mean over `draws` candidate sets.

    Columns: task, through, method, candidates, queries, recall_at_1, recall_at_5, recall_at_10.
    """
    rows = []
    for task in TASKS:
        queries, candidates = (suite.tested(m)["label"].tolist() for m in (task.query, task.candidate))
        if not (queries and candidates):  # suites of real media have no labelled texts
            continue
        sets = {size: draw_sets(queries, candidates, size, draws, seed) for size in sizes}
        for method in (*METHODS, PAIRED):
            found = list(scores_of(suite, task, method, seed))
            for size, drawn in sets.items():
                if found and drawn:
                    values = torch.stack([recall(scores, one) for scores in found for one in drawn]).mean(0)
                    names = {"task": task.name, "through": task.middle, "method": method}
                    shape = {"candidates": size, "queries": len(queries)}
                    rows.append(names | shape | {f"recall_at_{k}": v for k, v in zip(KS, values.tolist(), strict=True)})
    return pd.DataFrame(rows)


def evaluate_bank_sizes(suite: Suite, sizes: Sequence[int], size: int, draws: int, seed: int) -> pd.DataFrame:
    """Recall of audio to image by Monte Carlo as the bank of texts grows from a few phrases to all of them.

    `draws` random parts of the bank per size. Columns: method, bank, recall_at_1, recall_at_5, recall_at_10.
    """
    task = TASKS[0]
    queries, candidates = suite.tested(task.query), suite.tested(task.candidate)
    everything = suite.bank_ids(task.middle)
    models = {"monte_carlo_disparate": (task.first, task.second), "monte_carlo_joint": (task.joint, task.joint)}
    models = {name: both for name, both in models.items() if all(suite.has(model, task.middle) for model in both)}
    rows = []
    for bank_size in sorted({min(s, len(everything)) for s in (*sizes, len(everything))}):
        for draw in range(draws if bank_size < len(everything) else 1):
            randomness = generator(seed, 11, bank_size, draw)
            ids = [everything[i] for i in torch.randperm(len(everything), generator=randomness)[:bank_size].tolist()]
            sets = candidate_sets(queries["label"].tolist(), candidates["label"].tolist(), size, randomness)
            for method, (first, second) in models.items():
                a = suite.rows(first, task.query, queries["id"].tolist())
                c = suite.rows(second, task.candidate, candidates["id"].tolist())
                result = bridge(suite, task, first, second, ids).score(a, c, progress=False)
                if sets is not None:
                    values = recall(result.scores, sets).tolist()
                    names = {"method": method, "bank": bank_size}
                    rows.append(names | {f"recall_at_{k}": v for k, v in zip(KS, values, strict=True)})
    frame = pd.DataFrame(rows)
    return frame.groupby(["method", "bank"], as_index=False).mean()


# --- Assumption 3 ------------------------------------------------------------------------------------------------


def uniformity_of_banks(suite: Suite, seed: int) -> pd.DataFrame:
    """Is the bank uniform on the sphere, as each encoder embeds it? (Assumption 3, 6.2.2.)

    Columns: model, modality, test, p_value, effect, and for `published_ks` the mean p-value that the paper reports.
    """
    rows = []
    for (model, modality), store in suite.stores.items():
        ids = suite.bank_ids(modality)
        if not ids:
            continue
        x = torch.nn.functional.normalize(store.select(ids).embeddings, dim=-1)
        shape = {"model": model, "modality": modality, "points": len(ids), "width": x.shape[1]}
        for name, outcome in sphericity(x).items():
            rows.append(shape | {"test": name, "p_value": float(outcome.p_value), "effect": float(outcome.effect)})
        published = float(published_ks(x, generator=generator(seed, 13)))
        rows.append(shape | {"test": "published_ks", "p_value": published, "effect": float("nan")})
    return pd.DataFrame(rows)


# --- over seeds --------------------------------------------------------------------------------------------------


def with_intervals(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Means over seeds of all recalls, with `ci95`, half the width of Recall@1's 95 % interval, and `seeds`.

    The interval is Student's over seeds; a single set of models leaves the binomial one over its queries.
    """
    groups = frame.groupby(list(keys), sort=False)
    values = [f"recall_at_{k}" for k in KS]
    table = groups[values].mean()
    seeds, spread = groups["recall_at_1"].count(), groups["recall_at_1"].std()
    over_seeds = student.ppf(0.975, (seeds - 1).clip(lower=1)) * spread / np.sqrt(seeds)
    hit = table["recall_at_1"]
    queries = groups["queries"].first() if "queries" in frame else seeds
    table["ci95"] = over_seeds.where(seeds > 1, 1.96 * np.sqrt(hit * (1 - hit) / queries))
    table["seeds"] = seeds
    return table.reset_index()


def summarise(table: pd.DataFrame) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """The metrics of the report: suite, task, method; among the smallest number of candidates."""
    smallest = table.groupby("suite")["candidates"].transform("min")
    entries: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for row in table[(table["candidates"] == smallest) & table["method"].isin(METHODS)].to_dict("records"):
        entry = {key: float(row[key]) for key in ("recall_at_1", "recall_at_5", "ci95")}
        methods = entries.setdefault(row["suite"], {}).setdefault(row["task"], {})
        methods[row["method"]] = entry | {"candidates": int(row["candidates"])}
    return entries


def summarise_uniformity(frame: pd.DataFrame) -> pd.DataFrame:
    """Median over seeds of p-values and effects, one row per encoder."""
    keys = ["suite", "model", "modality", "points", "width"]
    wide = [
        frame.pivot_table(what, keys, "test", aggfunc="median", sort=False).add_suffix(f"_{what}")
        for what in ("p_value", "effect")
    ]
    table = pd.concat(wide, axis=1)
    return table.dropna(axis=1, how="all").reset_index()


def describe_runs(
    recall: pd.DataFrame, losses: pd.DataFrame | None
) -> Iterator[tuple[str, dict[str, str], dict[str, list[list[float]]]]]:
    """Runs to record: name, what was chosen, metrics. One per suite, task and method; one per trained model."""
    for keys, part in recall.groupby(["suite", "task", "method"], sort=False):
        suite, task, method = map(str, keys)
        metrics = {
            f"recall_at_{k}_of_{row['candidates']}": [[0, row[f"recall_at_{k}"]]]
            for row in part.to_dict("records")
            for k in KS
        }
        yield f"{suite} {task} {method}", {"suite": suite, "task": task, "method": method}, metrics
    if losses is None:
        return
    for keys, part in losses.groupby(["suite", "model"], sort=False):
        suite, model = map(str, keys)
        by_step = part.groupby("step", as_index=False)["loss"].agg(["mean", "std"]).fillna(0.0).iloc[::10]
        curves = {f"loss_{what}": by_step[["step", what]].astype(float).to_numpy().tolist() for what in ("mean", "std")}
        yield f"{suite} train {model}", {"suite": suite, "model": model}, curves
