"""The figure of `peers`: which way to bridge wins in which world, by how much, and how sure that is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from ucl.experiments.scenes import SCENES
from ucl.files import read_json
from ucl.reporting.collected import Files
from ucl.reporting.names import METHOD_COLOURS, METHOD_LABELS
from ucl.reporting.style import figure_style, save_figure

__all__ = ["WORLD_NAMES", "draw"]

WORLD_NAMES = {name: scene.title for name, scene in SCENES.items()}
Entries = Mapping[str, Mapping[str, Any]]  # method -> {recall_at_1, ci95, ...}


def draw(files: Files, section: Mapping[str, Any], folder: Path) -> None:
    """From `metrics`."""
    draw_metrics(read_json(files["metrics"][0]), folder / "peers", section["candidates"], section["seeds"])


def draw_metrics(summary: Mapping[str, Entries], stem: str | Path, candidates: int, seeds: int) -> None:
    """One panel per world, one row per method: mean and 95 % interval, the best ringed, Bayes and chance as lines."""
    worlds = [world for world in WORLD_NAMES if world in summary]
    shown = [
        m
        for m in METHOD_LABELS
        if any(m in summary[w] for w in worlds) and m not in ("bayes", "ground_truth", "bayes_assuming_independence")
    ]
    with figure_style():
        lines = -(-len(worlds) // 4)
        columns = -(-len(worlds) // lines)
        size = (2.3 * columns + 1.6, 0.24 * len(shown) * lines + 0.9 * lines + 0.5)
        figure, axes = plt.subplots(lines, columns, figsize=size, sharex=True, sharey=True, squeeze=False)
        for ax, world in zip(axes.flat, worlds, strict=False):
            _panel(ax, summary[world], shown, candidates)
            ax.set_title(WORLD_NAMES[world], fontsize=9)
            ax.tick_params(labelbottom=True)
        for ax in axes.flat[len(worlds) :]:
            ax.remove()
        axes[0, 0].set(yticks=range(len(shown)), yticklabels=[METHOD_LABELS[m] for m in shown], xlim=(-0.03, 1.03))
        axes[0, 0].invert_yaxis()
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4 if columns > 2 else 2, fontsize=8)
        figure.suptitle(f"Recall@1 among {candidates}: mean and 95 % interval over {seeds} seeds", fontsize=9)
        save_figure(figure, stem)


def _panel(ax: Axes, entries: Entries, shown: list[str], candidates: int) -> None:
    ax.axvline(1 / candidates, color=METHOD_COLOURS["chance"], linewidth=1, label=METHOD_LABELS["chance"])
    for method, style in (("ground_truth", "--"), ("bayes", ":")):
        level = entries[method]["recall_at_1"]
        ax.axvline(level, color=METHOD_COLOURS[method], linestyle=style, label=METHOD_LABELS[method])
    here = [method for method in shown if method in entries]
    best = max(here, key=lambda method: entries[method]["recall_at_1"])
    for method in here:
        recall, interval = entries[method]["recall_at_1"], entries[method]["ci95"]
        colour = METHOD_COLOURS.get(method, "#777777")
        ax.errorbar(recall, shown.index(method), xerr=interval, fmt="o", markersize=4, color=colour, capsize=2)
    ring: dict[str, Any] = {
        "markersize": 9,
        "markerfacecolor": "none",
        "markeredgecolor": "black",
        "markeredgewidth": 1.2,
    }
    ax.plot(entries[best]["recall_at_1"], shown.index(best), "o", label="best of the panel", **ring)
