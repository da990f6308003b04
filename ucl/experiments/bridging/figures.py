"""Figures of `bridging`, drawn from its tables alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ucl.files import read_parquet
from ucl.reporting.collected import Files
from ucl.reporting.names import BRIDGING_COLOURS, BRIDGING_LABELS, STAMPS_COLOURS, STAMPS_LABELS, STAMPS_PROTOCOLS
from ucl.reporting.style import figure_style, save_figure

__all__ = ["draw"]


def draw(files: Files, section: Mapping[str, Any], folder: Path) -> None:
    """From `recall` and `banks`."""
    draw_tables(read_parquet(files["recall"][0]), read_parquet(files["banks"][0]), folder)


def draw_tables(recall: pd.DataFrame, banks: pd.DataFrame, folder: str | Path) -> None:
    """`bridging_audio_image`, `bridging_swapped` (Fig. 6), `bridging_bank`, and `bridging_stamps` where that is."""
    folder = Path(folder)
    stamps = recall["suite"] == "stamps"
    with figure_style():
        if stamps.any():
            _stamps(recall[stamps], folder / "bridging_stamps")
        recall = recall[~stamps]
        _bars(recall[recall["through"] == "text"], folder / "bridging_audio_image")
        _bars(recall[recall["through"] != "text"], folder / "bridging_swapped")
        _banks(recall, banks, folder / "bridging_bank")


def _bars(recall: pd.DataFrame, stem: Path) -> None:
    """One panel per suite and number of candidates; a group of bars per task."""
    panels = list(recall.groupby(["suite", "candidates"], sort=False))
    if not panels:  # suites of real media have no labelled texts
        save_figure(_sentence("No suite of this run asks this."), stem)
        return
    columns = 2 if len(panels) > 1 else 1
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(5.2 * columns, 3.1 * rows + 0.5), squeeze=False, sharey=True)
    for axis, ((suite, candidates), part) in zip(axes.flat, panels, strict=False):
        _bar_panel(axis, part, [m for m in BRIDGING_COLOURS if m in set(part["method"])], part["candidates"].iloc[0])
        axis.set_title(f"{suite}: one of {candidates} candidates")
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel("Recall@1")
    handles = {
        label: handle for axis in axes.flat for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3)
    save_figure(figure, stem)


def _stamps(recall: pd.DataFrame, stem: Path) -> None:
    """A group of bars per protocol, a bar per method, and chance."""
    tasks = [task for task in STAMPS_PROTOCOLS if task in set(recall["task"])]
    methods = [method for method in STAMPS_LABELS if method in set(recall["method"])]
    figure, axis = plt.subplots(figsize=(10.4, 4.0))
    width = 0.88 / len(methods)
    for i, method in enumerate(methods):
        rows = recall[recall["method"] == method].set_index("task").reindex(tasks)
        left = [place - 0.44 + (i + 0.5) * width for place in range(len(tasks))]
        axis.bar(left, rows["recall_at_1"], width, color=STAMPS_COLOURS[method], label=STAMPS_LABELS[method])
        axis.errorbar(left, rows["recall_at_1"], rows["ci95"], fmt="none", ecolor="#222222", elinewidth=0.8)
    for place, task in enumerate(tasks):
        chance = 1 / recall.loc[recall["task"] == task, "candidates"].iloc[0]
        label = "Chance" if place == 0 else None
        axis.plot([place - 0.45, place + 0.45], [chance, chance], color="#555555", linestyle=":", label=label)
    candidates = recall.drop_duplicates("task").set_index("task")["candidates"]
    axis.set_xticks(range(len(tasks)), [f"{STAMPS_PROTOCOLS[task]}\n(one of {candidates[task]})" for task in tasks])
    axis.grid(axis="x", visible=False)
    axis.set_ylim(bottom=0)
    axis.set_ylabel("Recall@1")
    axis.set_title("stamps: the picture of a spoken word or of a sound")
    figure.legend(loc="outside lower center", ncols=5)
    save_figure(figure, stem)


def _sentence(text: str) -> Figure:
    """A figure that only says why it is empty, in a line and not on a page."""
    figure = plt.figure(figsize=(5.2, 0.5), layout="none")
    figure.text(0.5, 0.5, text, ha="center", va="center", style="italic")
    return figure


def _bar_panel(axis: Axes, part: pd.DataFrame, methods: Sequence[str], candidates: int) -> None:
    tasks = list(part[["task", "through"]].drop_duplicates().itertuples(index=False))
    width = 0.84 / len(methods)
    for i, method in enumerate(methods):
        rows = part[part["method"] == method].set_index("task")
        places = [place for place, (task, _) in enumerate(tasks) if task in rows.index]
        chosen = rows.loc[[tasks[place][0] for place in places]]
        left = [place - 0.42 + (i + 0.5) * width for place in places]
        axis.bar(left, chosen["recall_at_1"], width, color=BRIDGING_COLOURS[method], label=BRIDGING_LABELS[method])
        axis.errorbar(left, chosen["recall_at_1"], chosen["ci95"], fmt="none", ecolor="#222222", elinewidth=0.8)
    axis.axhline(1 / candidates, color="#555555", linestyle=":", linewidth=1, label="Chance")
    axis.set_xticks(range(len(tasks)), [f"{task.replace('_to_', ' → ')}\nthrough {through}" for task, through in tasks])
    axis.grid(axis="x", visible=False)
    axis.set_ylim(0, 1.02)


def _banks(recall: pd.DataFrame, banks: pd.DataFrame, stem: Path) -> None:
    """Recall of audio to image as the bank of texts grows, with the joint model's direct comparison and the truth."""
    suites = list(banks.groupby("suite", sort=False))
    if not suites:
        save_figure(_sentence("No suite of this run has a bank to grow."), stem)
        return
    figure, axes = plt.subplots(1, len(suites), figsize=(5.0 * len(suites), 3.4), squeeze=False, sharey=True)
    for axis, (suite, part) in zip(axes.flat, suites, strict=True):
        for method in part["method"].unique():
            line = part[part["method"] == method]
            axis.errorbar(
                line["bank"],
                line["recall_at_1"],
                line["ci95"],
                color=BRIDGING_COLOURS[method],
                label=BRIDGING_LABELS[method],
                capsize=2,
            )
        whole = recall[(recall["suite"] == suite) & (recall["task"] == "audio_to_image")]
        whole = whole[whole["candidates"] == whole["candidates"].min()].set_index("method")
        for method in ("direct_joint", "ground_truth"):
            if method in whole.index:
                value = whole.loc[method, "recall_at_1"]
                axis.axhline(
                    value, color=BRIDGING_COLOURS[method], linestyle="--", linewidth=1.2, label=BRIDGING_LABELS[method]
                )
        axis.axhline(1 / whole["candidates"].iloc[0], color="#555555", linestyle=":", linewidth=1, label="Chance")
        axis.set_xscale("log", base=2)
        sizes = sorted(part["bank"].unique())
        axis.set_xticks(sizes, [str(size) for size in sizes], rotation=45)
        axis.minorticks_off()
        axis.set_xlabel("phrases in the bank")
        axis.set_title(f"{suite}: audio → image through text")
        axis.set_ylim(0, 1.02)
    axes[0, 0].set_ylabel("Recall@1")
    axes[0, 0].legend(loc="lower right", fontsize=8)
    save_figure(figure, stem)
