"""Figures of `scaling`, in the layout of the paper's Fig. 5: recall and effective sample size, and standard error."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ucl.reporting.collected import Files
from ucl.reporting.names import METHOD_COLOURS
from ucl.reporting.style import figure_style, save_figure

__all__ = ["draw"]

COLOURS = {"uniform": "#E69F00", "real": "#D55E00", "real_normalized": "#CC79A7"}
LABELS = {
    "uniform": "Monte Carlo, uniform bank",
    "real": "Monte Carlo, real bank",
    "real_normalized": "Monte Carlo, real bank, normalised",
    "direct": "Direct",
    "closed_form": "Closed form (Lemma 2)",
    "ground_truth": "Exact scorer",
}
LINES: Mapping[str, tuple[str, str]] = {
    "direct": (METHOD_COLOURS["direct"], "-"),
    "closed_form": ("#56B4E9", ":"),
    "ground_truth": (METHOD_COLOURS["bayes"], "--"),
}


def draw(files: Files, section: Mapping[str, Any], folder: Path) -> None:
    """From `table` (CSV)."""
    draw_table(pd.read_csv(files["table"][0]), folder, section["candidates"], section["trials"])


def draw_table(table: pd.DataFrame, folder: str | Path, candidates: int, trials: int) -> None:
    """Draw both figures from the table of `ucl.experiments.scaling.summary.tabulate`."""
    folder, note = Path(folder), f"{trials} trials, bands are 95 % intervals of the mean"
    with figure_style():
        save_figure(_recall(table, candidates, note), folder / "scaling_recall")
        save_figure(_errors(table), folder / "scaling_error")


def _panels(table: pd.DataFrame) -> tuple[Figure, dict[str, Axes]]:
    models = list(table["model"].unique())
    figure, axes = plt.subplots(1, len(models), figsize=(4.4 * len(models), 3.9), sharey=True, squeeze=False)
    for ax, model in zip(axes[0], models, strict=True):
        ax.set(title=model, xlabel="samples in the bank", xscale="log")
    return figure, dict(zip(models, axes[0], strict=True))


def _recall(table: pd.DataFrame, candidates: int, note: str) -> Figure:
    figure, panels = _panels(table)
    handles = {}
    for index, (model, ax) in enumerate(panels.items()):
        rows = table[table["model"] == model]
        second = ax.twinx()
        second.grid(visible=False)
        second.spines["right"].set_visible(True)
        second.set(yscale="log")
        for bank in COLOURS:
            part = rows[rows["method"] == bank]
            low, high = part["recall_at_1"] - part["ci95"], part["recall_at_1"] + part["ci95"]
            ax.fill_between(part["samples"], low, high, color=COLOURS[bank], alpha=0.2, linewidth=0)
            handles[LABELS[bank]] = ax.plot(part["samples"], part["recall_at_1"], color=COLOURS[bank])[0]
            if bank != "real_normalized":  # the same weights, hence the same effective sample size
                (line,) = second.plot(part["samples"], part["effective_samples"], color=COLOURS[bank], linewidth=1.1)
                line.set_linestyle((0, (1, 1.5)))
                handles[f"Effective samples, {bank} bank (right axis)"] = line
        for method, (colour, dashes) in LINES.items():
            part = rows[rows["method"] == method]
            if len(part):
                handles[LABELS[method]] = ax.axhline(part["recall_at_1"].iloc[0], color=colour, linestyle=dashes)
        ax.set(ylim=(0, 1.02))
        if index == 0:
            ax.set_ylabel(f"Recall@1 among {candidates}")
        if index == len(panels) - 1:
            second.set_ylabel("median effective sample size")
    figure.suptitle(note, fontsize=9)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2, fontsize=8)
    return figure


def _errors(table: pd.DataFrame) -> Figure:
    figure, panels = _panels(table)
    for model, ax in panels.items():
        for bank in COLOURS:
            part = table[(table["model"] == model) & (table["method"] == bank) & (table["samples"] > 1)]
            ax.plot(part["samples"], part["standard_error"], color=COLOURS[bank], label=LABELS[bank])
            last = part.iloc[-1]
            guide = last["standard_error"] * (part["samples"] / last["samples"]) ** -0.5
            label = "slope −1/2 from the last point"
            ax.plot(part["samples"], guide, color=COLOURS[bank], linestyle=":", linewidth=0.9, label=label)
        ax.set(yscale="log")
    first = next(iter(panels.values()))
    first.set_ylabel("median standard error of a score (nats)")
    handles, labels = first.get_legend_handles_labels()
    shown = dict(zip(labels, handles, strict=True))
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=2, fontsize=8)
    return figure
