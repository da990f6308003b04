"""Figures of `synthetic`: learning curves in the layout of the paper's Fig. 3, and retrieval among all candidates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ucl.experiments.synthetic.methods import METHODS
from ucl.files import read_parquet
from ucl.reporting.collected import Files
from ucl.reporting.names import METHOD_COLOURS, METHOD_LABELS
from ucl.reporting.style import figure_style, save_figure

__all__ = ["draw"]

CRITIC_TITLES: Mapping[str, str] = {"l2": "(a) negative L2", "dot": "(b) dot product", "cosine": "(c) cosine"}
PROTOCOLS = {"published": "published protocol", "held_out": "held-out protocol"}
LINE_STYLES = {"bayes": ":", "ground_truth": "--"}


def draw(files: Files, section: Mapping[str, Any], folder: Path) -> None:
    """From `epochs` and `candidates`."""
    epochs, candidates = read_parquet(files["epochs"][0]), read_parquet(files["candidates"][0])
    draw_tables(epochs, candidates, folder, section["candidates"], section["seeds"], section["dimension"])


def draw_tables(
    epochs: pd.DataFrame, candidates: pd.DataFrame, folder: str | Path, group: int, seeds: int, dimension: int
) -> None:
    """Draw all figures of the experiment into `folder`."""
    folder = Path(folder)
    with figure_style():
        for protocol, title in PROTOCOLS.items():
            figure = _learning_curves(epochs[epochs["protocol"] == protocol], group)
            figure.suptitle(f"{title}: {seeds} seeds, d = {dimension}, bands of one standard deviation", fontsize=9)
            save_figure(figure, folder / f"synthetic_{protocol}")
        save_figure(_all_candidates(candidates[candidates["protocol"] == "held_out"]), folder / "synthetic_candidates")


def _critics(table: pd.DataFrame) -> list[str]:
    return [critic for critic in CRITIC_TITLES if critic in set(table["critic"])]


def _learning_curves(epochs: pd.DataFrame, candidates: int) -> Figure:
    critics = _critics(epochs)
    figure, axes = plt.subplots(1, len(critics), figsize=(9.3, 3.4), sharey=True, squeeze=False)
    for ax, critic in zip(axes[0], critics, strict=True):
        rows = epochs[epochs["critic"] == critic]
        for method in METHODS:
            _band(ax, rows[rows["method"] == method], method)
        ax.axhline(1 / candidates, color=METHOD_COLOURS["chance"], linewidth=0.9, label=METHOD_LABELS["chance"])
        ax.set(title=CRITIC_TITLES[critic], xlabel="epoch", ylim=(0, 1.02))
        ax.xaxis.get_major_locator().set_params(integer=True)
    axes[0, 0].set_ylabel(f"Recall@1 among {candidates}")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _band(ax: Axes, rows: pd.DataFrame, method: str) -> None:
    curve = rows.groupby("epoch")["recall_at_1"].agg(["mean", "std"]).fillna(0.0)
    colour, epoch = METHOD_COLOURS[method], curve.index.to_numpy() + 1
    ax.plot(epoch, curve["mean"], LINE_STYLES.get(method, "-"), color=colour, label=METHOD_LABELS[method])
    ax.fill_between(
        epoch, curve["mean"] - curve["std"], curve["mean"] + curve["std"], color=colour, alpha=0.15, linewidth=0
    )


def _all_candidates(candidates: pd.DataFrame) -> Figure:
    """Recall@k against k for the harder task, one panel per critic."""
    critics = _critics(candidates)
    figure, axes = plt.subplots(1, len(critics), figsize=(9.3, 3.2), sharey=True, squeeze=False)
    ks = (1, 5, 10)
    for ax, critic in zip(axes[0], critics, strict=True):
        rows = candidates[(candidates["critic"] == critic) & (candidates["direction"] == "a_to_c")]
        for method in METHODS:
            seeds = rows.loc[rows["method"] == method, [f"recall_at_{k}" for k in ks]]
            ax.errorbar(
                ks,
                seeds.mean(),
                seeds.std().fillna(0.0),
                fmt="o" + LINE_STYLES.get(method, "-"),
                markersize=3.5,
                capsize=2,
                color=METHOD_COLOURS[method],
                label=METHOD_LABELS[method],
            )
        ax.set(title=CRITIC_TITLES[critic], xlabel="k", xticks=ks, ylim=(0, 1.02))
    axes[0, 0].set_ylabel("Recall@k, all candidates")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return figure
