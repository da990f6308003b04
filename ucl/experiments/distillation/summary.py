"""Metrics, tables and runs of `distillation`: means over seeds, and what few samples cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ucl.files import read_parquet
from ucl.reporting.collected import Collected, Files
from ucl.reporting.tracking import Run, flatten
from ucl.statistics.intervals import student_half_width

__all__ = ["collect", "few", "index_table", "means", "worst"]

PLACE = ["bank", "samples", "steps"]
LOG_SUM_EXP = ["monte_carlo", "monte_carlo_normalized"]
CAPACITIES = ["distilled_linear", "distilled_hidden"]


def means(played: pd.DataFrame) -> pd.DataFrame:
    """A row per scene, condition and method: mean recall over seeds, the half-width of its 95 % interval."""
    grouped = played.groupby(["scene", *PLACE, "method"], sort=False)
    return grouped.agg(recall_at_1=("recall_at_1", "mean"), ci95=("recall_at_1", student_half_width)).reset_index()


def few(played: pd.DataFrame, section: Mapping[str, Any]) -> pd.DataFrame:
    """Of the conditions of `few`: recalls, and by how much the chosen student is `behind` the better of LogSumExp and
    the best capacity (`best`), with the half-width of the 95 % interval of that difference over seeds."""
    asked = section["few"]
    own = played[played["scene"].isin(asked["scenes"]) & (played["steps"] == section["steps"])]
    own = own[own["bank"].isin(asked["banks"]) & own["samples"].isin(asked["samples"])]
    places = ["scene", "bank", "samples"]
    rows = [dict(zip(places, place, strict=True)) | _few(condition) for place, condition in own.groupby(places)]
    return pd.DataFrame(rows).sort_values("scene", key=lambda names: names.map(asked["scenes"].index), kind="stable")


def _few(condition: pd.DataFrame) -> dict[str, Any]:
    recalls = condition.pivot_table(index="seed", columns="method", values="recall_at_1")
    found = recalls.mean()
    best = str(found[[*CAPACITIES, *LOG_SUM_EXP]].idxmax())
    behind = recalls[best] - recalls["distilled"]
    columns = ["distilled", *CAPACITIES, *LOG_SUM_EXP, "c_mcr"]
    told = {"best": best, "behind": float(behind.mean()), "ci95": student_half_width(behind)}
    refuses = float(condition[condition["method"] == "distilled"]["refuses"].mean())
    return {name: float(found[name]) for name in columns} | told | {"refuses": refuses}


def worst(with_few: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Per scene, the condition in which the student is furthest behind, or None where it refuses in all, and the share
    of refusals. A condition counts unless most of its seeds refuse."""
    found = {}
    for scene, own in with_few.groupby("scene", sort=False):
        counted = own[own["refuses"] < 0.5].nlargest(1, "behind")
        columns = ["bank", "samples", "best", "behind", "ci95"]
        rows = counted[columns].to_dict("records")
        found[str(scene)] = {"worst": rows[0] if rows else None, "refuses": float(own["refuses"].mean())}
    return found


def index_table(searched: pd.DataFrame) -> pd.DataFrame:
    """A row per way to search and depth: mean recall of the ten best, median milliseconds."""
    grouped = searched.groupby(["way", "depth"], sort=False)
    return grouped.agg(recall=("recall", "mean"), milliseconds=("milliseconds", "median")).reset_index()


def collect(files: Files, section: Mapping[str, Any]) -> Collected:
    """From `scores`, a file for each scene that is named by it, and `index`."""
    frames = (read_parquet(file).assign(scene=file.stem) for file in files["scores"])
    played = pd.concat(frames, ignore_index=True)
    found, with_few, index = means(played), few(played, section), index_table(read_parquet(files["index"][0]))
    curves = found[found["scene"].isin(section["scenes"])]
    usual = (curves[PLACE] == [section["bank"], section["samples"], section["steps"]]).all(axis=1)
    by_scene = {str(scene): _by_method(own) for scene, own in curves[usual].groupby("scene", sort=False)}
    by_way = {str(way): own.drop(columns="way").to_dict("records") for way, own in index.groupby("way", sort=False)}
    metrics = {"usual": by_scene, "few": worst(with_few), "index": by_way}
    headline = {f"{scene}_distilled": methods["distilled"]["recall_at_1"] for scene, methods in by_scene.items()}
    headline |= {f"index_{way}": float(rows[-1]["recall"]) for way, rows in by_way.items()}
    tables = {"distillation": _wide(curves), "distillation_few": with_few, "distillation_index": index}
    return Collected(metrics, headline, tables, _runs(found, section), {"curves": curves})


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
    """A run per method and curve: what varies in the section's `scenes`, and samples with each bank of `few`."""
    params, runs = flatten(section, "distillation"), []
    curves = [(scene, axis, section["bank"]) for scene in section["scenes"] for axis in PLACE]
    asked = section["few"]
    curves += [(scene, "samples", bank) for scene in asked["scenes"] for bank in asked["banks"]]
    for scene, axis, bank in dict.fromkeys(curves):
        held = {name: section[name] for name in PLACE if name != axis} | ({} if axis == "bank" else {"bank": bank})
        own = found[(found["scene"] == scene) & (found[list(held)] == list(held.values())).all(axis=1)]
        for method, rows in own.sort_values(axis).groupby("method", sort=False):
            points = [[int(x), float(y)] for x, y in zip(rows[axis], rows["recall_at_1"], strict=True)]
            told = {"world": scene, "method": method, "varied": axis, "distillation.bank": bank}
            tags = {"rule": "score_distillation", "wildcards": f"scene={scene}"}
            name = f"{scene} {method} {axis}" + (f", bank {bank}" if bank != section["bank"] else "")
            runs.append(Run(name=name, params=params | told, metrics={"recall_at_1": points}, tags=tags))
    return runs
