"""The figures of `diagnosis`: predicted recall, what the verdict loses, and what known pairs can tell."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from ucl.experiments.diagnosis.naming import case_title, is_broken
from ucl.files import read_parquet
from ucl.reporting.collected import Files
from ucl.reporting.names import METHOD_COLOURS, METHOD_LABELS
from ucl.reporting.style import figure_style, save_figure

__all__ = ["draw"]

MARKERS = "osD^vP*X<>hdp8"
OTHER = "#777777"
COLOURS = {name: METHOD_COLOURS[name] for name in ("direct", "monte_carlo", "monte_carlo_normalized")} | {
    "c_mcr": "#009E73"
}
CASE_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
BARS = {"regret": 0.03, "level": 0.05}  # the worst scene's, and the test's


def draw(files: Files, section: Mapping[str, Any], folder: Path) -> None:
    """From `points`, `choices` and the table `tests`."""
    draw_recall(read_parquet(files["points"][0]), folder / "diagnosis_recall", section["candidates"])
    draw_choice(read_parquet(files["choices"][0]), folder / "diagnosis_choice")
    draw_power(pd.read_csv(files["tests"][0]), folder / "diagnosis_power")


def draw_recall(points: pd.DataFrame, stem: str | Path, candidates: int) -> None:
    """Predicted against actual recall, means over seeds of every method in every case: with held-out pairs, without."""
    cases = list(dict.fromkeys(points["case"]))
    means = points.groupby(["case", "method", "pairs"], sort=False)[["predicted", "actual"]].mean().reset_index()
    with figure_style():
        figure, axes = plt.subplots(1, 2, figsize=(9.3, 4.6), sharex=True, sharey=True)
        titles = {True: "with held-out pairs of both models", False: "without: lower bounds"}
        for ax, (pairs, title) in zip(axes, titles.items(), strict=True):
            ax.plot([0, 1], [0, 1], color=METHOD_COLOURS["chance"], linewidth=1)
            for case, marker in zip(cases, MARKERS, strict=False):
                own = means[(means["case"] == case) & (means["pairs"] == pairs)]
                colours = [COLOURS.get(method, OTHER) for method in own["method"]]
                ax.scatter(own["predicted"], own["actual"], c=colours, marker=marker, s=26, linewidths=0, alpha=0.8)
                ax.plot([], [], marker=marker, linestyle="", color=OTHER, label=case_title(case), markersize=5)
            ax.set(title=title, xlabel="predicted Recall@1", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        axes[0].set_ylabel("actual Recall@1")
        for colour, label in [*((own, METHOD_LABELS[m]) for m, own in COLOURS.items()), (OTHER, "other methods")]:
            axes[0].plot([], [], marker="_", markeredgewidth=4, linestyle="", color=colour, label=label)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", fontsize=7)
        figure.suptitle(f"Recall@1 among {candidates}, means over seeds: one mark per method and world", fontsize=9)
        save_figure(figure, stem)


def draw_choice(choices: pd.DataFrame, stem: str | Path) -> None:
    """What the verdict loses against the best method, world by world: seeds and mean; beside it always `direct`."""
    cases = list(dict.fromkeys(choices["case"]))
    with figure_style():
        figure, ax = plt.subplots(figsize=(7.4, 0.34 * len(cases) + 1.3))
        ax.axvline(0, color=METHOD_COLOURS["chance"], linewidth=1)
        ax.axvline(BARS["regret"], color=METHOD_COLOURS["chance"], linestyle=":", label="bar for the worst world")
        kinds = (
            ("direct_regret", 0.15, METHOD_COLOURS["direct"], "always direct"),
            ("regret", -0.15, "black", "the verdict"),
        )
        for column, shift, colour, label in kinds:
            means = choices.groupby("case", sort=False)[column].mean()
            ax.scatter(choices[column], choices["case"].map(cases.index) + shift, s=7, color=colour, alpha=0.3, lw=0)
            rows = [row + shift for row in range(len(cases))]
            ax.plot(means.loc[cases], rows, "o", color=colour, markersize=5, label=label)
        ax.set(yticks=range(len(cases)), yticklabels=[case_title(case) for case in cases])
        ax.set(xlabel="Recall@1 lost against the best method of that world (dots: seeds; large: mean)")
        ax.set_ylim(len(cases) - 0.5, -0.5)
        figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
        save_figure(figure, stem)


def draw_power(tests: pd.DataFrame, stem: str | Path) -> None:
    """Rejections of Assumption 1 against the number of known pairs: where it holds, and where it does not."""
    with figure_style():
        figure, axes = plt.subplots(1, 2, figsize=(9.3, 3.6), sharex=True, sharey=True)
        holds = ~tests["case"].map(is_broken)
        titles = ("Assumption 1 holds: size", "it does not: power")
        for ax, own, title in zip(axes, (tests[holds], tests[~holds]), titles, strict=True):
            ax.axhline(BARS["level"], color=METHOD_COLOURS["chance"], linestyle=":", label="5 %")
            _curves(ax, own)
            ax.set(title=title, xlabel="known pairs of (A, C)", ylim=(-0.02, 1.02))
            ax.set_xticks(sorted(tests["pairs"].unique()))
            ax.legend(fontsize=7)
        axes[0].set_ylabel("share rejected")
        save_figure(figure, stem)


def _curves(ax: Axes, tests: pd.DataFrame) -> None:
    for place, (case, own) in enumerate(tests.groupby("case", sort=False)):
        style: dict[str, Any] = {"color": CASE_COLOURS[place % len(CASE_COLOURS)], "marker": MARKERS[place]}
        title = case_title(str(case))
        ax.errorbar(own["pairs"], own["rejected"], yerr=own["ci95"], markersize=4, capsize=2, label=title, **style)
