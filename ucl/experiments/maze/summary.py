"""Tables and metrics of `maze`: interquartile means per maze and policy, by ambiguity, and on words never seen."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ucl.files import read_parquet
from ucl.maze.first_moves import first_moves
from ucl.reporting.collected import Collected, Files
from ucl.reporting.names import POLICY_LABELS
from ucl.reporting.tracking import Run, flatten
from ucl.statistics.interquartile import interquartile_mean
from ucl.statistics.intervals import bootstrap_mean
from ucl.statistics.rows import named, random_of

__all__ = [
    "AMBIGUITY",
    "ambiguity",
    "collect",
    "learning_curves",
    "metrics",
    "policy_order",
    "tabulate_ambiguity",
    "tabulate_banks",
    "tabulate_claims",
    "tabulate_policies",
    "tabulate_success",
    "tabulate_words",
]

AMBIGUITY = ("one cell", "under 5 %", "5 to 15 %", "15 to 50 %")  # of the free cells that an instruction denotes
AMBIGUOUS = AMBIGUITY[2:]
TEST = ("test_wording", "test_composition")


def ambiguity(scores: pd.DataFrame) -> pd.Series:
    """The class of `AMBIGUITY` of every row."""
    bins = np.digitize(scores["share"], [0.05, 0.15]) + 1
    return pd.Series(np.where(scores["cells"] == 1, 0, bins), index=scores.index).map(dict(enumerate(AMBIGUITY)))


def policy_order(names: Iterable[str]) -> list[str]:
    """Policies in the order of the report."""
    there = set(names)
    return [name for name in POLICY_LABELS if name in there]


def metrics(scores: pd.DataFrame) -> dict[str, dict[str, dict[str, Any]]]:
    """maze -> policy -> success (interquartile mean), ci95, spl, steps, seeds; over all instructions of the test."""
    result: dict[str, dict[str, dict[str, Any]]] = {}
    for row in tabulate_policies(scores).itertuples():
        result.setdefault(str(row.maze), {})[str(row.policy)] = {
            "success": row.success,
            "ci95": [row.success_low, row.success_high],
            "spl": row.spl,
            "steps": row.steps,
            "seeds": row.seeds,
        }
    return result


def learning_curves(curves: pd.DataFrame) -> dict[str, list[list[float]]]:
    """Losses and scales by training step, means over seeds: metric -> [[step, value], ...]."""
    mean = curves.drop(columns="seed").groupby("step").mean()
    return {str(name): [[int(step), float(v)] for step, v in mean[name].items()] for name in mean}  # type: ignore[call-overload]


def tabulate_policies(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per maze and policy, over all instructions of the test; `_mean` are plain means."""
    return _table(_test(scores), ["maze"])


def tabulate_success(policies: pd.DataFrame) -> pd.DataFrame:
    """Success alone, a column per policy, from `tabulate_policies`."""
    wide = policies.pivot_table(index="maze", columns="policy", values="success", sort=False)
    return wide[policy_order(wide.columns)].reset_index()


def tabulate_ambiguity(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per maze, class of ambiguity and policy."""
    test = _test(scores)
    return _table(test.assign(ambiguity=ambiguity(test)), ["maze", "ambiguity"])


def tabulate_words(scores: pd.DataFrame) -> pd.DataFrame:
    """Wordings in training, other wordings of the same places, and compositions: one row per maze, split and policy."""
    return _table(scores[scores["policy"].isin(["direct", "monte_carlo", "exact_occupancy"])], ["maze", "split"])


def tabulate_banks(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per bank size."""
    return _table(_test(scores), ["bank"])


def tabulate_claims(scores: pd.DataFrame) -> pd.DataFrame:
    """What the issue is judged by, per maze: differences with intervals over seeds and instructions.

    `success_gain` and `spl_gain`: LogSumExp minus direct on ambiguous instructions (5 % of the cells and more);
    `of_exact`: mean success of LogSumExp over that of exact critics, on the whole test; `unseen_words`: mean success
    on held-out wordings minus that on seen wordings of the same places.
    """
    rows = []
    for maze, part in scores.groupby("maze", sort=False):
        test = _test(part)
        vague = test[ambiguity(test).isin(AMBIGUOUS)]
        row: dict[str, Any] = {"maze": maze}
        for what in ("success", "spl"):
            gain = _matrix(vague, "monte_carlo", what) - _matrix(vague, "direct", what)
            row |= named(f"{what}_gain", bootstrap_mean(gain, random_of(maze, what)))
        mean = test.groupby("policy")["success"].mean()
        row["of_exact"] = mean["monte_carlo"] / mean["exact_occupancy"]
        ours = part[part["policy"] == "monte_carlo"].groupby("split")["success"].mean()
        row["unseen_words"] = ours["test_wording"] - ours["seen"]
        rows.append(row)
    return pd.DataFrame(rows)


def _test(scores: pd.DataFrame) -> pd.DataFrame:
    return scores[scores["split"].isin(TEST)]


def _table(scores: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    rows = []
    for group, part in scores.groupby(list(keys), sort=False):
        for policy in policy_order(part["policy"]):
            mine = part[part["policy"] == policy]
            random = random_of(*group, policy)
            row = dict(zip(keys, group, strict=True)) | {"policy": policy}
            for what in ("success", "spl"):
                row |= named(what, interquartile_mean(_matrix(mine, policy, what), random))
            row |= {f"{what}_mean": mine[what].mean() for what in ("success", "spl")}
            counts = {"seeds": mine["seed"].nunique(), "instructions": mine["text"].nunique()}
            rows.append(row | {"steps": mine["steps"].mean()} | counts)
    return pd.DataFrame(rows)


def _matrix(scores: pd.DataFrame, policy: str, what: str) -> np.ndarray:
    """[seeds, instructions]"""
    mine = scores[scores["policy"] == policy]
    return mine.pivot_table(index="seed", columns=["split", "text"], values=what).to_numpy()


def collect(files: Files, section: Mapping[str, Any]) -> Collected:
    """From `scores` and `curves`, a file `<maze>/...` of each per maze, and `paths` and `banks` of the shown maze."""
    scores = pd.concat(map(read_parquet, files["scores"]), ignore_index=True)
    found, policies = metrics(scores), tabulate_policies(scores)
    tables = {
        "maze": policies,
        "maze_success": tabulate_success(policies),
        "maze_claims": tabulate_claims(scores),
        "maze_ambiguity": tabulate_ambiguity(scores),
        "maze_words": tabulate_words(scores),
        "maze_banks": tabulate_banks(read_parquet(files["banks"][0])),
        "maze_first_column": first_moves(read_parquet(files["paths"][0])),
    }
    params = flatten(section, "maze")
    curves = {file.parent.name: learning_curves(read_parquet(file)) for file in files["curves"]}
    runs = [
        Run(
            name=f"{maze} {policy}",
            params=params | {"maze": maze, "policy": policy},
            metrics=curves[maze] | {key: [[0, values[key]]] for key in ("success", "spl", "steps")},
            tags={"rule": "test_maze", "wildcards": f"maze={maze}"},
        )
        for maze, by_policy in found.items()
        for policy, values in by_policy.items()
    ]
    return Collected(found, _headline(found), tables, runs)


def _headline(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, float]:
    """Success, the mean over mazes."""
    names = {"direct": "direct", "bridge": "monte_carlo", "exact": "exact_occupancy"}
    return {name: sum(p[policy]["success"] for p in found.values()) / len(found) for name, policy in names.items()}
