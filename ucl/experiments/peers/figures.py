"""The figures of `peers`: which way to bridge wins in which world, by how much, and how sure that is."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from ucl.experiments.peers.methods import REFERENCES
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
    metrics = read_json(files["metrics"][0])
    draw_metrics(metrics, folder / "peers", section["candidates"], section["seeds"])
    draw_losses(metrics, folder / "peers_losses", section["candidates"])


def draw_losses(summary: Mapping[str, Entries], stem: str | Path, candidates: int) -> None:
    """A map of bridges by worlds: in each cell what a bridge loses in Recall@1 against the best one of its world.

    A world in which no bridge is above chance has no best, and stays grey.
    """
    worlds = [world for world in WORLD_NAMES if world in summary]
    bridges = [m for m in METHOD_LABELS if m not in REFERENCES and any(m in summary[w] for w in worlds)]
    losses = np.full((len(bridges), len(worlds)), np.nan)
    for column, world in enumerate(worlds):
        own = {m: summary[world][m]["recall_at_1"] for m in bridges if m in summary[world]}
        if not _at_chance(summary[world], own, candidates):
            losses[[bridges.index(m) for m in own], column] = max(own.values()) - np.array(list(own.values()))
    with figure_style():
        figure, ax = plt.subplots(figsize=(0.95 * len(worlds) + 2.2, 0.27 * len(bridges) + 1.3))
        ax.set_facecolor("#dddddd")
        ax.imshow(losses, cmap="YlOrRd", vmin=0, vmax=0.6, aspect="auto")
        for (row, column), loss in np.ndenumerate(losses):
            if np.isfinite(loss):
                best = loss == 0
                said = "best" if best else f"{loss:.2f}"
                colour = "white" if loss > 0.4 else "black"
                ax.text(
                    column,
                    row,
                    said,
                    ha="center",
                    va="center",
                    fontsize=8,
                    color=colour,
                    weight="bold" if best else None,
                )
        titles = [fill(WORLD_NAMES[world], 13) for world in worlds]
        ax.set_xticks(range(len(worlds)), titles, fontsize=8)
        ax.set_yticks(range(len(bridges)), [METHOD_LABELS[m] for m in bridges])
        ax.tick_params(length=0, top=True, bottom=False, labeltop=True, labelbottom=False)
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        ax.set_xlabel("grey: not defined there, or no bridge above chance", fontsize=8)
        save_figure(figure, stem)


def _at_chance(entries: Entries, own: Mapping[str, float], candidates: int) -> bool:
    best = max(own, key=lambda method: own[method])
    return bool(own[best] - 2 * entries[best]["ci95"] <= 1 / candidates)


def draw_metrics(summary: Mapping[str, Entries], stem: str | Path, candidates: int, seeds: int) -> None:
    """One panel per world, one row per method: mean and 95 % interval, the best ringed, Bayes and chance as lines."""
    worlds = [world for world in WORLD_NAMES if world in summary]
    lines_only = ("bayes", "ground_truth")
    shown = [m for m in METHOD_LABELS if any(m in summary[w] for w in worlds) and m not in lines_only]
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
    own = {method: entries[method]["recall_at_1"] for method in here if method not in REFERENCES}
    best = None if _at_chance(entries, own, candidates) else max(own, key=lambda method: own[method])
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
    if best is not None:
        ax.plot(own[best], shown.index(best), "o", label="best bridge of the panel", **ring)
