"""Figures of `scaling`: recall, as in the paper's Fig. 5, and standard errors with effective sample sizes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from ucl.reporting.collected import Files
from ucl.reporting.names import METHOD_COLOURS
from ucl.reporting.style import figure_style, save_figure

__all__ = ["draw"]

COLOURS = {"uniform": "#E69F00", "real": "#D55E00", "real_normalized": "#CC79A7"}
LABELS = {
    "uniform": "LogSumExp, uniform bank",
    "real": "LogSumExp, real bank",
    "real_normalized": "LogSumExp, real bank, normalised",
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


def _panels(table: pd.DataFrame, rows: int, height: float) -> tuple[Figure, dict[str, list[Axes]]]:
    """A column per model."""
    models = list(table["model"].unique())
    figure, axes = plt.subplots(
        rows, len(models), figsize=(4.4 * len(models), height), sharex=True, sharey="row", squeeze=False
    )
    for model, column in zip(models, axes.T, strict=True):
        column[0].set(title=model, xscale="log")
        column[-1].set_xlabel("samples in the bank")
    return figure, dict(zip(models, map(list, axes.T), strict=True))


def _recall(table: pd.DataFrame, candidates: int, note: str) -> Figure:
    figure, panels = _panels(table, 1, 3.9)
    handles = {}
    for model, (ax,) in panels.items():
        rows = table[table["model"] == model]
        for bank in COLOURS:
            part = rows[rows["method"] == bank]
            low, high = part["recall_at_1"] - part["ci95"], part["recall_at_1"] + part["ci95"]
            ax.fill_between(part["samples"], low, high, color=COLOURS[bank], alpha=0.2, linewidth=0)
            handles[LABELS[bank]] = ax.plot(part["samples"], part["recall_at_1"], color=COLOURS[bank])[0]
        for method, (colour, dashes) in LINES.items():
            part = rows[rows["method"] == method]
            if len(part):
                handles[LABELS[method]] = ax.axhline(part["recall_at_1"].iloc[0], color=colour, linestyle=dashes)
        ax.set(ylim=(0, 1.02))
    next(iter(panels.values()))[0].set_ylabel(f"Recall@1 among {candidates}")
    figure.suptitle(note, fontsize=9)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2, fontsize=8)
    return figure


def _errors(table: pd.DataFrame) -> Figure:
    """Standard errors above the effective sample sizes that they follow from."""
    figure, panels = _panels(table, 2, 5.6)
    for model, (errors, sizes) in panels.items():
        for bank, colour in COLOURS.items():
            part = table[(table["model"] == model) & (table["method"] == bank)]
            if bank != "real_normalized":  # the same weights, hence the same effective sample size
                sizes.plot(part["samples"], part["effective_samples"], color=colour)
            part = part[part["samples"] > 1]
            errors.plot(part["samples"], part["standard_error"], color=colour, label=LABELS[bank])
            last = part.iloc[-1]
            ends = part.loc[part["samples"] * 100 >= last["samples"], "samples"]
            guide = last["standard_error"] * (ends / last["samples"]) ** -0.5
            label = "slope −1/2 from the last point"
            errors.plot(ends, guide, color=colour, linestyle=":", linewidth=0.9, label=label)
        for ax in (errors, sizes):
            ax.set(yscale="log")
            ax.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}", minor_locator=NullLocator())
    first = next(iter(panels.values()))
    first[0].set_ylabel("median standard error (nats)")
    first[1].set_ylabel("median effective sample size")
    handles, labels = first[0].get_legend_handles_labels()
    shown = dict(zip(labels, handles, strict=True))
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=2, fontsize=8)
    return figure
