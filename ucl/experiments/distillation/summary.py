"""Metrics, tables and runs of `distillation`: means over seeds, and what few samples cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ucl.files import read_parquet
from ucl.reporting.collected import Collected, Files
from ucl.reporting.tracking import Run, flatten
from ucl.statistics.intervals import student_half_width

__all__ = ["collect", "few", "index_table", "means"]

PLACE = ["bank", "samples", "steps"]
LOG_SUM_EXP = ["monte_carlo", "monte_carlo_normalized"]
CAPACITIES = ["distilled_linear", "distilled_hidden"]


def means(played: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A row per scene, condition and method: mean recall over seeds, the half-width of its 95 % interval, and `weak`,
    the share of seeds whose student refuses."""
    table = pd.concat([frame.assign(scene=scene) for scene, frame in played.items()], ignore_index=True)
    grouped = table.groupby(["scene", *PLACE, "method"], sort=False)
    found = grouped.agg(
        recall_at_1=("recall_at_1", "mean"), ci95=("recall_at_1", student_half_width), weak=("weak", "mean")
    )
    return found.reset_index()


def few(found: pd.DataFrame, section: Mapping[str, Any]) -> pd.DataFrame:
    """Of the conditions of `few`: recalls, and by how much the chosen student is behind the better of LogSumExp and the
    best capacity."""
    asked = section["few"]
    own = found[found["bank"].isin(asked["banks"]) & found["samples"].isin(asked["samples"])]
    own = own[own["steps"] == section["steps"]]
    recalls = own.pivot_table(index=["scene", "bank", "samples"], columns="method", values="recall_at_1", sort=False)
    weak = own[own["method"] == "distilled"].set_index(["scene", "bank", "samples"])["weak"]
    best = recalls[[*CAPACITIES, *LOG_SUM_EXP]].max(axis=1)
    columns = ["distilled", *CAPACITIES, *LOG_SUM_EXP, "c_mcr"]
    return (
        recalls[columns]
        .assign(behind=best - recalls["distilled"], refuses=weak)
        .reset_index()
        .rename_axis(columns=None)
    )


def index_table(searched: pd.DataFrame) -> pd.DataFrame:
    """A row per way to search and depth: mean recall of the ten best, median milliseconds."""
    grouped = searched.groupby(["way", "depth"], sort=False)
    return grouped.agg(recall=("recall", "mean"), milliseconds=("milliseconds", "median")).reset_index()


def collect(files: Files, section: Mapping[str, Any]) -> Collected:
    """From `scores`, a file for each of the section's `scenes`, and `index`."""
    played = {scene: read_parquet(file) for scene, file in zip(section["scenes"], files["scores"], strict=True)}
    found = means(played)
    with_few, index = few(found, section), index_table(read_parquet(files["index"][0]))
    usual = (found[PLACE] == [section["bank"], section["samples"], section["steps"]]).all(axis=1)
    worst = with_few[with_few["refuses"] < 0.5]["behind"]  # a condition counts unless most of its seeds refuse
    by_scene = {str(scene): _by_method(own) for scene, own in found[usual].groupby("scene", sort=False)}
    by_way = {str(way): own.drop(columns="way").to_dict("records") for way, own in index.groupby("way", sort=False)}
    behind = {"worst_behind": float(worst.max()) if len(worst) else None, "refuses": float(with_few["refuses"].mean())}
    metrics = {"usual": by_scene, "few": behind, "index": by_way}
    headline = {f"{scene}_distilled": methods["distilled"]["recall_at_1"] for scene, methods in by_scene.items()}
    headline |= {f"index_{way}": float(rows[-1]["recall"]) for way, rows in by_way.items()}
    tables = {"distillation": _wide(found), "distillation_few": with_few, "distillation_index": index}
    return Collected(metrics, headline, tables, _runs(found, section), {"curves": found})


def _by_method(own: pd.DataFrame) -> dict[str, dict[str, float]]:
    return {row["method"]: {"recall_at_1": row["recall_at_1"], "ci95": row["ci95"]} for row in own.to_dict("records")}


def _wide(found: pd.DataFrame) -> pd.DataFrame:
    """A row per scene and condition, a column `recall ± ci95` per method; empty where it was not asked for."""
    cells = [f"{recall:.3f} ± {width:.3f}" for recall, width in zip(found["recall_at_1"], found["ci95"], strict=True)]
    index = ["scene", *PLACE]
    wide = found.assign(cell=cells).pivot_table(
        index=index, columns="method", values="cell", aggfunc="first", sort=False
    )
    return wide[found["method"].unique()].fillna("").reset_index().rename_axis(columns=None)


def _runs(found: pd.DataFrame, section: Mapping[str, Any]) -> Sequence[Run]:
    params, runs = flatten(section, "distillation"), []
    for (scene, method), own in found.groupby(["scene", "method"], sort=False):
        for axis in PLACE:
            others = [name for name in PLACE if name != axis]
            rows = own[(own[others] == [section[name] for name in others]).all(axis=1)].sort_values(axis)
            curve = {"recall_at_1": [[int(x), float(y)] for x, y in zip(rows[axis], rows["recall_at_1"], strict=True)]}
            own_params = params | {"world": scene, "method": method, "varied": axis}
            tags = {"rule": "score_distillation", "wildcards": f"scene={scene}"}
            runs.append(Run(name=f"{scene} {method} {axis}", params=own_params, metrics=curve, tags=tags))
    return runs
