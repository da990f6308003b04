"""Tables and metrics of the suite `pointmaze`: by environment and method, at the end and by environment steps.

As for the mazes: an agent's score is its mean over the pairs, and interquartile means are over agents, with intervals
by bootstrap.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ucl.reporting.tracking import Run, flatten
from ucl.statistics.interquartile import interquartile_mean
from ucl.statistics.rows import named, random_of

__all__ = ["points_metrics", "points_runs", "tabulate_points"]

MEASURES = ("success", "steps", "coverage")


def tabulate_points(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per environment, method and, of explorers, round.

    `steps`: of the environment until the goal, its time limit where that came first; `steps_per_second`: of all agents
    together while they walk and learn, by the processor's time.
    """
    keys = ["environment", "method", "round", "env_steps"]
    filled = scores.fillna({"round": 0, "env_steps": 0}).astype({"round": int, "env_steps": int})
    agents = filled.groupby([*keys, "seed"], sort=False, as_index=False)[[*MEASURES, "seconds"]].mean()
    rows = []
    for own, part in agents.groupby(keys, sort=False):
        row: dict[str, Any] = dict(zip(keys, own, strict=True))
        for what in MEASURES:
            if part[what].notna().all():
                row |= named(what, interquartile_mean(part[[what]].to_numpy(), random_of(*own[:2])))
        if row["env_steps"]:
            seconds = float(part["seconds"].iloc[0])
            row |= {"seconds": seconds, "steps_per_second": len(part) * row["env_steps"] / seconds}
        rows.append(row | {"seeds": part["seed"].nunique()})
    return pd.DataFrame(rows)


def points_metrics(table: pd.DataFrame) -> dict[str, dict[str, dict[str, Any]]]:
    """environment -> method -> success, ci95, steps, seeds at the end; of explorers also coverage and env_steps."""
    result: dict[str, dict[str, dict[str, Any]]] = {}
    for row in table.sort_values("round", kind="stable").to_dict("records"):  # the last round stays
        own = {"success": row["success"], "ci95": [row["success_low"], row["success_high"]], "steps": row["steps"]}
        if row["method"] == "explored":
            own |= {"coverage": row["coverage"], "env_steps": int(row["env_steps"])}
        result.setdefault(str(row["environment"]), {})[str(row["method"])] = own | {"seeds": int(row["seeds"])}
    return result


def points_runs(table: pd.DataFrame, section: Mapping[str, Any]) -> list[Run]:
    """One per environment and method, with its course by environment steps."""
    params, runs = flatten(section, "explore"), []
    for (environment, method), own in table.groupby(["environment", "method"], sort=False):
        course = {
            what: [[int(taken), float(value)] for taken, value in zip(own["env_steps"], own[what], strict=True)]
            for what in MEASURES
            if own[what].notna().all()
        }
        tags = {"rule": "train_pointmaze", "wildcards": f"environment={environment}"}
        which = {"environment": environment, "method": method}
        runs.append(Run(f"pointmaze {environment} {method}", params | which, course, tags))
    return runs
