"""Retrieval between modalities that no model was trained on together, from embedding stores alone (6.2.1, C.2).

A suite is a table of items and a folder of stores `<model>.<modality>.parquet`. The models of a suite have roles:
`image_text`, `audio_text` and `audio_image` saw one kind of pair, `joint_<middle>` two kinds that share the modality in
the middle. A task asks for one modality by another through the third; methods whose models have no store are left out.

Items: id, modality, split, label (what makes two items match; null where nothing does), bank (whether the item stands
in the bank of its modality), source (for people). Queries and candidates are the labelled items of the test split.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.core.critics import Cosine
from ucl.core.result import BridgeResult, merge
from ucl.errors import InputError
from ucl.experiments.bridging.distilled import distilled_scores
from ucl.experiments.bridging.methods import METHODS, PAIRED
from ucl.experiments.bridging.suite import TASKS, Suite, Task
from ucl.runtime import generator
from ucl.statistics.cutoffs import KS
from ucl.statistics.retrieval import candidate_sets, mean_recalls, sample_sets
from ucl.statistics.sphere_laws import uniform_sphere
from ucl.statistics.uniformity import published_ks, sphericity

__all__ = [
    "bridge", "evaluate", "evaluate_bank_sizes", "merge_shards", "score_shard", "scores_of", "uniformity_of_banks",
]  # fmt: skip

MONTE_CARLO: dict[str, Callable[[Task], tuple[str, str]]] = {  # the models of (query, middle) and (middle, candidate)
    "monte_carlo_disparate": lambda task: (task.first, task.second),
    "monte_carlo_joint": lambda task: (task.joint, task.joint),
}
ISOMETRIES = 20  # ways to lay one space into another over which the direct comparison of unlike spaces is averaged


# --- scores ------------------------------------------------------------------------------------------------------


Merged = Mapping[tuple[str, str], Tensor]  # scores by task and method, where the bank was scored in shards


def scores_of(
    suite: Suite, task: Task, method: str, seed: int = 0, merged: Merged | None = None, distil_steps: int = 500
) -> Iterator[Float[Tensor, "n k"]]:
    """Score matrices of all queries against all candidates; none where the suite lacks the models.

    One matrix, but for the direct comparison of spaces of different width, which have no axes in common: there one per
    random isometry of the narrower into the wider, since any single choice is right by luck for some labels.
    """
    query, candidate = list(suite.tested(task.query)["id"]), list(suite.tested(task.candidate)["id"])
    disparate = suite.has(task.first, task.query, task.middle) and suite.has(task.second, task.middle, task.candidate)
    if method == "direct_disparate" and disparate:
        a, c = suite.rows(task.first, task.query, query), suite.rows(task.second, task.candidate, candidate)
        for x, y in _in_one_space(a, c, seed):
            yield Cosine.similarity(x, y)
    elif method == "monte_carlo_disparate" and disparate:
        yield merged[task.name, method] if merged else monte_carlo(suite, task, method).scores
    elif method == "distilled_disparate" and disparate:
        yield from distilled_scores(suite, task, bridge(suite, task, task.first, task.second), seed, distil_steps)
    elif method in ("direct_joint", "monte_carlo_joint") and suite.has(task.joint, task.query, task.candidate):
        a, c = suite.rows(task.joint, task.query, query), suite.rows(task.joint, task.candidate, candidate)
        if method == "direct_joint":
            yield Cosine.similarity(a, c)
        elif suite.has(task.joint, task.middle):
            yield merged[task.name, method] if merged else monte_carlo(suite, task, method).scores
    elif method in ("ground_truth", PAIRED):
        model = task.truth if method == "ground_truth" else "joint_image"
        if suite.has(model, task.query, task.candidate) and (method != PAIRED or task.middle == "audio"):
            a, c = suite.rows(model, task.query, query), suite.rows(model, task.candidate, candidate)
            yield Cosine.similarity(a, c)


def monte_carlo(suite: Suite, task: Task, method: str, shard: tuple[int, int] = (0, 1)) -> BridgeResult:
    """The answer of a Monte Carlo method over the bank of a task, or over a shard of it (its number, how many)."""
    first, second = MONTE_CARLO[method](task)
    over = bridge(suite, task, first, second)
    if shard[1] > 1:
        over = Bridge(over.ab, over.bc, over.bank.shard(*shard), normalize=over.normalize)
    query, candidate = list(suite.tested(task.query)["id"]), list(suite.tested(task.candidate)["id"])
    a, c = suite.rows(first, task.query, query), suite.rows(second, task.candidate, candidate)
    return over.score(a, c, progress=False)


def score_shard(suite: Suite, shard: tuple[int, int], folder: Path) -> None:
    """The answers of all tasks and Monte Carlo methods over one shard of their banks, as files for `merge_shards`."""
    for task, method in product(TASKS, MONTE_CARLO):
        first, second = MONTE_CARLO[method](task)
        sides = suite.has(first, task.query, task.middle) and suite.has(second, task.middle, task.candidate)
        if sides and len(suite.tested(task.query)) and len(suite.tested(task.candidate)):
            monte_carlo(suite, task, method, shard).save(folder / f"{task.name}.{method}.safetensors", errors=False)


def merge_shards(folders: Sequence[str | Path]) -> Merged:
    """The scores over whole banks, from the folders of all shards."""
    names = sorted(path.name for path in Path(folders[0]).glob("*.safetensors"))
    found = {tuple(name.split(".")[:2]): [BridgeResult.load(Path(f) / name) for f in folders] for name in names}
    return {(task, method): merge(parts).scores for (task, method), parts in found.items()}


def bridge(suite: Suite, task: Task, first: str, second: str, ids: Sequence[str] | None = None) -> Bridge:
    """The bridge of a task through two models (or one joint model twice), over its bank or the part `ids` of it."""
    ids = suite.bank_ids(task.middle) if ids is None else ids
    if not ids:
        raise InputError(f"the bank of {task.middle} is empty: no item of that modality has bank = true")
    bank = Bank(suite.rows(first, task.middle, ids), suite.rows(second, task.middle, ids))
    ab = suite.critic(first, task.query, task.middle)
    return Bridge(ab, suite.critic(second, task.candidate, task.middle), bank, normalize=False)


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


def evaluate(
    suite: Suite,
    sizes: Sequence[int],
    draws: int,
    seed: int,
    merged: Merged | None = None,
    distil_steps: int = 500,
) -> pd.DataFrame:
    """Recall of every task and method among each number of candidates, the mean over `draws` candidate sets.

    Columns: task, through, method, candidates, queries, recall_at_1, recall_at_5, recall_at_10.
    """
    rows = []
    for task in TASKS:
        queries, candidates = (suite.tested(m)["label"].tolist() for m in (task.query, task.candidate))
        if not (queries and candidates):  # suites of real media have no labelled texts
            continue
        sets = {size: sample_sets(queries, candidates, size, draws, seed) for size in sizes}
        for method in (*METHODS, PAIRED):
            found = list(scores_of(suite, task, method, seed, merged, distil_steps))
            for size, drawn in sets.items():
                if found and drawn:
                    names = {"task": task.name, "through": task.middle, "method": method}
                    shape = {"candidates": size, "queries": len(queries)}
                    rows.append(names | shape | mean_recalls(found, drawn))
    return pd.DataFrame(rows)


def evaluate_bank_sizes(
    suite: Suite,
    sizes: Sequence[int],
    size: int,
    *,
    bank_draws: int,
    draws: int,
    seed: int,
    merged: Merged | None = None,
) -> pd.DataFrame:
    """Recall of audio to image by Monte Carlo as the bank of texts grows from a few phrases to all of them.

    `bank_draws` random parts of the bank per size, each with one candidate set; the whole bank with the `draws` sets of
    `evaluate`. Columns: method, bank, queries, recall_at_1, recall_at_5, recall_at_10.
    """
    task = TASKS[0]
    queries, candidates = suite.tested(task.query), suite.tested(task.candidate)
    labels = queries["label"].tolist(), candidates["label"].tolist()
    everything, rows = suite.bank_ids(task.middle), []
    for ids, sets in _banks(everything, sizes, labels, size, bank_draws, draws, seed):
        for method, models in MONTE_CARLO.items():
            first, second = models(task)
            if sets and suite.has(first, task.middle) and suite.has(second, task.middle):
                a = suite.rows(first, task.query, queries["id"].tolist())
                c = suite.rows(second, task.candidate, candidates["id"].tolist())
                known = (merged or {}).get((task.name, method)) if len(ids) == len(everything) else None
                over = bridge(suite, task, first, second, ids)
                scores = over.score(a, c, progress=False).scores if known is None else known
                names = {"method": method, "bank": len(ids), "queries": len(queries)}
                rows.append(names | mean_recalls([scores], sets))
    frame = pd.DataFrame(rows, columns=["method", "bank", "queries", *(f"recall_at_{k}" for k in KS)])
    return frame.groupby(["method", "bank", "queries"], as_index=False).mean()


def _banks(
    everything: list[str],
    sizes: Sequence[int],
    labels: tuple[list[str], list[str]],
    size: int,
    bank_draws: int,
    draws: int,
    seed: int,
) -> Iterator[tuple[list[str], list[Int[Tensor, "n size"]]]]:
    """Banks, and the sets of `size` candidates to try each with."""
    for bank_size in sorted({s for s in sizes if s < len(everything)}):
        for draw in range(bank_draws):
            randomness = generator(seed, 11, bank_size, draw)
            ids = [everything[i] for i in torch.randperm(len(everything), generator=randomness)[:bank_size].tolist()]
            sets = candidate_sets(*labels, size, randomness)
            yield ids, [] if sets is None else [sets]
    yield everything, sample_sets(*labels, size, draws, seed)


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
