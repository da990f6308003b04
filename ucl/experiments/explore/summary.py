"""Tables and metrics of `explore`: by maze and agent, by environment steps, and the properties that the slides name.

An agent's score in a maze is its mean over the pairs; interquartile means are over agents (seeds) and, where mazes are
taken together, mazes; intervals by stratified bootstrap (Agarwal et al. 2021).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from ucl.experiments.explore.names import AGENTS
from ucl.experiments.explore.pointmaze_tables import points_metrics, points_runs, tabulate_points
from ucl.experiments.explore.properties import tabulate_properties
from ucl.files import read_parquet
from ucl.maze.first_moves import first_moves
from ucl.reporting.collected import Collected, Files
from ucl.reporting.tracking import Run, flatten
from ucl.statistics.interquartile import interquartile_mean
from ucl.statistics.intervals import bootstrap_mean
from ucl.statistics.rows import named, random_of

__all__ = [
    "collect",
    "metrics",
    "tabulate_agents",
    "tabulate_comparison",
    "tabulate_curves",
    "tabulate_planning",
    "tabulate_seeking",
    "tabulate_success",
    "tabulate_words",
]

MEASURES = ("success", "spl", "spearman", "coverage")
AMBIGUOUS = 0.05  # of the free cells: instructions that denote more are ambiguous


def by_agent(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per maze, method, round and seed: means over the pairs."""
    keys = ["maze", "method", "round", "env_steps", "seed"]
    own = scores.assign(round=scores["round"].fillna(0), env_steps=scores["env_steps"].fillna(0))
    measures = [name for name in (*MEASURES, "seconds") if name in own]
    return own.groupby(keys, sort=False, as_index=False)[measures].mean()


def last_round(agents: pd.DataFrame) -> pd.DataFrame:
    """Explorers as they end, and the references."""
    return agents[agents["round"] == agents.groupby(["maze", "method"])["round"].transform("max")]


def tabulate_agents(agents: pd.DataFrame) -> pd.DataFrame:
    """One row per maze and method, at the end; `steps_per_second`: environment steps of all agents while they learn."""
    rows = []
    for (maze, method), part in last_round(agents).groupby(["maze", "method"], sort=False):
        row: dict[str, Any] = {"maze": maze, "method": method}
        for what in MEASURES:
            if part[what].notna().all():
                row |= named(what, interquartile_mean(part[[what]].to_numpy(), random_of(maze, method)))
        if part["env_steps"].iloc[0]:
            taken, seconds = int(part["env_steps"].iloc[0]), float(part["seconds"].iloc[0])
            row |= {"env_steps": taken, "seconds": seconds, "steps_per_second": len(part) * taken / seconds}
        rows.append(row | {"seeds": part["seed"].nunique()})
    table = pd.DataFrame(rows)
    return table.sort_values("method", key=lambda names: names.map(list(AGENTS).index), kind="stable").sort_values(
        "maze", key=lambda names: names.map(list(dict.fromkeys(agents["maze"])).index), kind="stable"
    )


def tabulate_success(table: pd.DataFrame) -> pd.DataFrame:
    """Success alone, a column per method, and the self-taught agents' share of the oracle-trained ones'."""
    wide = table.pivot_table(index="maze", columns="method", values="success", sort=False)
    wide = wide[[name for name in AGENTS if name in wide]]
    share = wide["explored"] / wide["oracle_trained"].where(wide["oracle_trained"] > 0)
    return wide.assign(of_oracle_trained=share).reset_index()


def metrics(table: pd.DataFrame) -> dict[str, dict[str, dict[str, Any]]]:
    """maze -> method -> success, ci95, spl, seeds; of explorers also coverage and env_steps."""
    result: dict[str, dict[str, dict[str, Any]]] = {}
    for row in table.to_dict("records"):
        own = {"success": row["success"], "ci95": [row["success_low"], row["success_high"]], "spl": row["spl"]}
        if row["method"] == "explored":
            own |= {"coverage": row["coverage"], "env_steps": int(row["env_steps"])}
        result.setdefault(str(row["maze"]), {})[str(row["method"])] = own | {"seeds": int(row["seeds"])}
    return result


def tabulate_curves(agents: pd.DataFrame) -> pd.DataFrame:
    """One row per round: interquartile means over seeds and mazes, with intervals."""
    rows = []
    own = agents[agents["method"] == "explored"]
    for number in sorted(own["round"].unique()):
        part = own[own["round"] == number]
        row: dict[str, Any] = {"round": int(number), "env_steps": int(part["env_steps"].iloc[0])}
        for what in MEASURES:
            matrix = part.pivot_table(index="seed", columns="maze", values=what).to_numpy()
            row |= named(what, interquartile_mean(matrix, random_of(what)))
        rows.append(row)
    return pd.DataFrame(rows)


def tabulate_comparison(comparison: pd.DataFrame) -> pd.DataFrame:
    """One row per critic and objective."""
    rows = []
    for (critic, objective), part in comparison.groupby(["critic", "objective"], sort=False):
        row: dict[str, Any] = {"critic": critic, "objective": objective}
        for what in ("success", "spl", "spearman", "broken"):
            row |= named(what, bootstrap_mean(part[[what]].to_numpy(), random_of(critic, objective)))
        rows.append(row | {"excess": part["excess"].mean(), "seeds": len(part)})
    return pd.DataFrame(rows)


def tabulate_seeking(seeking: pd.DataFrame) -> pd.DataFrame:
    """One row per collector: squares seen at the end, and the median of environment steps to the far goal.

    Agents that never arrive count as having needed more than all others.
    """
    rows = []
    for collector, part in seeking.groupby("collector", sort=False):
        end = part[part["round"] == part["round"].max()]
        row: dict[str, Any] = {"collector": collector, "env_steps": int(end["env_steps"].iloc[0])}
        row |= named("coverage", bootstrap_mean(end[["coverage"]].to_numpy(), random_of(collector)))
        row |= {"arrived": float(end["arrival"].notna().mean()), "seeds": len(end)}
        middle = float(np.median(end["arrival"].fillna(np.inf)))
        rows.append(row | {"median_arrival": middle if np.isfinite(middle) else None})
    return pd.DataFrame(rows)


def tabulate_planning(planned: pd.DataFrame) -> pd.DataFrame:
    """One row per maze: straight, by way-points, and the paired gain, in success and SPL."""
    rows = []
    for maze, part in planned.groupby("maze", sort=False):
        row: dict[str, Any] = {"maze": maze}
        for what in ("success", "spl"):
            by = {name: _matrix(own, "task", what) for name, own in part.groupby("method")}
            row |= {f"{what}_straight": by["straight"].mean(), f"{what}_way_points": by["way_points"].mean()}
            gain = by["way_points"] - by["straight"]
            row |= named(f"{what}_gain", bootstrap_mean(gain, random_of(maze, what)))
        rows.append(row | {"disagreement": part["disagreement"].mean(), "seeds": part["seed"].nunique()})
    return pd.DataFrame(rows)


def tabulate_words(told: pd.DataFrame) -> pd.DataFrame:
    """One row per kind of instruction (all, ambiguous) and policy: interquartile means over seeds and instructions."""
    rows = []
    for kind, part in (("all", told), ("ambiguous", told[told["share"] >= AMBIGUOUS])):
        for policy, own in part.groupby("policy", sort=False):
            row: dict[str, Any] = {"instructions": kind, "policy": policy}
            for what in ("success", "spl"):
                row |= named(what, interquartile_mean(_matrix(own, "text", what), random_of(kind, policy, what)))
                row[f"{what}_mean"] = own[what].mean()
            rows.append(row | {"count": own["text"].nunique(), "seeds": own["seed"].nunique()})
    return pd.DataFrame(rows)


def _matrix(scores: pd.DataFrame, key: str, what: str) -> Float[np.ndarray, "seeds tasks"]:
    return scores.pivot_table(index="seed", columns=key, values=what).to_numpy()


def collect(files: Files, section: Mapping[str, Any]) -> Collected:
    """From `scores`, a file per maze, `comparison`, one per critic, the probes, and, if that was run, `pointmaze`."""
    agents = by_agent(pd.concat(map(read_parquet, files["scores"]), ignore_index=True))
    comparison = pd.concat(map(read_parquet, files["comparison"]), ignore_index=True)
    seeking, identity, planned, told, paths = (
        read_parquet(files[name][0]) for name in ("seeking", "identity", "planned", "told", "paths")
    )
    table = tabulate_agents(agents)
    compared, planning = tabulate_comparison(comparison), tabulate_planning(planned)
    tables = {
        "explore": table,
        "explore_success": tabulate_success(table),
        "explore_curves": tabulate_curves(agents),
        "explore_comparison": compared,
        "explore_identity": identity,
        "explore_seeking": tabulate_seeking(seeking),
        "explore_planning": planning,
        "explore_words": tabulate_words(told),
        "explore_first_column": first_moves(paths),
        "explore_properties": tabulate_properties(seeking, planning, compared),
    }
    found = metrics(table)
    collected = Collected(found, _headline(found), tables, _runs(agents, found, section))
    return _with_points(collected, files["pointmaze"], section) if files.get("pointmaze") else collected


def _with_points(collected: Collected, files: Sequence[Path], section: Mapping[str, Any]) -> Collected:
    """What the suite `pointmaze` adds."""
    table = tabulate_points(pd.concat(map(read_parquet, files), ignore_index=True))
    return Collected(
        {**collected.metrics, "pointmaze": points_metrics(table)},
        collected.headline,
        {**collected.tables, "explore_pointmaze": table},
        [*collected.runs, *points_runs(table, section)],
    )


def _runs(agents: pd.DataFrame, found: Mapping[str, Mapping[str, Any]], section: Mapping[str, Any]) -> list[Run]:
    """One per maze and method, with its course by environment steps."""
    params, runs = flatten(section, "explore"), []
    for maze, methods in found.items():
        for method in methods:
            own = agents[(agents["maze"] == maze) & (agents["method"] == method)].groupby("env_steps")
            course = {
                what: [[int(taken), float(value)] for taken, value in mean.items()]  # type: ignore[call-overload]
                for what in MEASURES
                if (mean := own[what].mean()).notna().all()
            }
            tags = {"rule": "train_explore", "wildcards": f"explored={maze}"}
            runs.append(Run(f"{maze} {method}", params | {"maze": maze, "method": method}, course, tags))
    return runs


def _headline(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, float]:
    """Success, the mean over mazes."""
    return {name: sum(own[name]["success"] for own in found.values()) / len(found) for name in AGENTS}
