"""The figures of `distillation`: recall against what there is to distil from, few samples, and what an index finds."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from ucl.experiments.distillation.claims import BEHIND
from ucl.experiments.scenes import SCENES
from ucl.files import read_parquet
from ucl.reporting.collected import Files
from ucl.reporting.names import METHOD_COLOURS, METHOD_LABELS
from ucl.reporting.style import figure_style, save_figure

__all__ = ["draw"]

AXES = {"bank": "samples of B in the bank", "samples": "samples of A, and of C", "steps": "steps of training"}
SHOWN = ("monte_carlo", "monte_carlo_normalized", "c_mcr", "distilled_linear", "distilled_hidden", "distilled")
OVER = {"distilled_linear": "--", "distilled_hidden": ":"}  # the chosen one lies on one of them


def draw(files: Files, section: Mapping[str, Any], folder: Path) -> None:
    """From `curves` and the tables `few` and `index` (CSV)."""
    draw_curves(read_parquet(files["curves"][0]), section, folder / "distillation_curves")
    draw_few(pd.read_csv(files["few"][0]), folder / "distillation_few")
    draw_index(pd.read_csv(files["index"][0]), section, folder / "distillation_index")


def draw_curves(curves: pd.DataFrame, section: Mapping[str, Any], stem: str | Path) -> None:
    """A row of panels per scene, one for what varies: mean Recall@1 and its 95 % interval over seeds."""
    scenes = list(dict.fromkeys(curves["scene"]))
    with figure_style():
        size = (9.6, 2.5 * len(scenes) + 0.9)
        figure, axes = plt.subplots(len(scenes), len(AXES), figsize=size, sharex="col", sharey="row", squeeze=False)
        for line, scene in zip(axes, scenes, strict=True):
            for ax, varied in zip(line, AXES, strict=True):
                others = [name for name in AXES if name != varied]
                usual = (curves[others] == [section[name] for name in others]).all(axis=1)
                _panel(ax, curves[usual & (curves["scene"] == scene)], varied)
            line[0].set_ylabel(f"{SCENES[scene].title}\nRecall@1 among {section['candidates']}")
        for ax, label in zip(axes[-1], AXES.values(), strict=True):
            ax.set_xlabel(label)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
        save_figure(figure, stem)


def _panel(ax: Axes, curves: pd.DataFrame, varied: str) -> None:
    ax.set(xscale="log", ylim=(0, 1.02))
    _ticks(ax, curves[varied].unique())
    for method in SHOWN:
        own, colour = curves[curves["method"] == method].sort_values(varied), METHOD_COLOURS[method]
        style: dict[str, Any] = {"linestyle": OVER.get(method, "-"), "color": colour, "label": METHOD_LABELS[method]}
        if len(own) == 1:  # not trained in steps
            ax.axhline(own["recall_at_1"].iloc[0], **style)
            continue
        ax.plot(own[varied], own["recall_at_1"], marker="o", markersize=3, **style)
        low, high = own["recall_at_1"] - own["ci95"], own["recall_at_1"] + own["ci95"]
        if method == "distilled":
            ax.fill_between(own[varied], low, high, color=colour, alpha=0.2, linewidth=0)


def _ticks(ax: Axes, values: Iterable[int]) -> None:
    """At what was measured, in plain numbers."""
    ax.set_xticks(sorted(values), [f"{value:,}" for value in sorted(values)], fontsize=7)
    ax.minorticks_off()


def draw_few(few: pd.DataFrame, stem: str | Path) -> None:
    """By how much the chosen student is behind the best choice: a row per scene, a mark per bank and samples."""
    scenes = list(few["scene"].unique())
    conditions = list(few.groupby(["bank", "samples"]))
    with figure_style():
        figure, ax = plt.subplots(figsize=(7.2, 0.5 * len(scenes) + 1.3))
        ax.axvspan(-1, BEHIND, color="#e8f3e8", zorder=0)  # what is allowed
        for place, ((bank, samples), own) in enumerate(conditions):
            colour, offset = plt.get_cmap("viridis")(place / len(conditions)), (place + 0.5) / len(conditions) - 0.5
            rows = [scenes.index(scene) + 0.7 * offset for scene in own["scene"]]
            silent = own["refuses"] >= 0.5  # most of its seeds say that LogSumExp does better
            ax.errorbar(own["behind"], rows, xerr=own["ci95"], fmt="none", ecolor=colour, elinewidth=1)
            filled = ["white" if refuses else colour for refuses in silent]
            ax.scatter(own["behind"], rows, s=24, c=filled, edgecolors=[colour], zorder=3)
            ax.scatter([], [], s=24, color=[colour], label=f"bank {bank:,}, {samples:,} samples")
        ax.set_yticks(range(len(scenes)), [SCENES[scene].title for scene in scenes])
        ax.invert_yaxis()
        ax.set_xlim(*_around(few))
        ax.set_xlabel("Recall@1 behind the better of LogSumExp and the best capacity")
        figure.legend(loc="outside lower center", ncols=2, fontsize=8)
        save_figure(figure, stem)


def _around(few: pd.DataFrame) -> tuple[float, float]:
    """Limits that hold every interval and what is allowed."""
    low, high = (few["behind"] - few["ci95"]).min(), (few["behind"] + few["ci95"]).max()
    return min(-0.01, low - 0.005), max(BEHIND, high) + 0.005


def draw_index(index: pd.DataFrame, section: Mapping[str, Any], stem: str | Path) -> None:
    """How many of the exact ten best are found, and milliseconds per query, against how many are reranked."""
    colours = {way: METHOD_COLOURS[way] for way in ("distilled_linear", "distilled_hidden", "barycentre")}
    with figure_style():
        figure, (found, spent) = plt.subplots(1, 2, figsize=(8.4, 3.4))
        for way, own in index.groupby("way", sort=False):
            style: dict[str, Any] = {
                "color": colours[str(way)],
                "marker": "o",
                "markersize": 4,
                "label": METHOD_LABELS[str(way)],
            }
            found.plot(own["depth"], own["recall"], **style)
            spent.plot(own["depth"], own["milliseconds"], **style)
        found.set(ylabel="share of the exact ten best found", ylim=(-0.02, 1.02))
        spent.set(ylabel="milliseconds per query (median)")
        spent.set_ylim(bottom=0)
        for ax in (found, spent):
            ax.set(xlabel="candidates reranked", xscale="log")
            _ticks(ax, index["depth"].unique())
        figure.legend(*found.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
        figure.suptitle(f"{section['index']['candidates']:,} candidates, bank {section['index']['bank']:,}", fontsize=9)
        save_figure(figure, stem)
