"""Figures of `disparate` and `independence`, in the layout of the paper's Figs. 3 (right) and 8."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from ucl.experiments.disparate.config import Disparate
from ucl.files import read_parquet
from ucl.reporting.collected import Files
from ucl.reporting.names import METHOD_COLOURS, METHOD_LABELS
from ucl.reporting.style import figure_style, save_figure

__all__ = ["draw"]

PROTOCOL_TITLES = {
    "published": "published protocol\n(each query's own B in the bank)",
    "held_out": "held-out protocol\n(a bank apart from the queries)",
}


def draw(files: Files, section: Mapping[str, Any], folder: Path) -> None:
    """From `curves`, a file for each of the section's `dimensions_bc`."""
    params = Disparate.model_validate(section)
    keys = [params.boxes(width) for width in params.dimensions_bc]
    curves = {key: read_parquet(file) for key, file in zip(keys, files["curves"], strict=True)}
    draw_curves(curves, folder / "disparate", params.candidates, params.seeds)


def draw_curves(curves: Mapping[str, pd.DataFrame], stem: str | Path, candidates: int, seeds: int) -> None:
    """Recall against epochs, a panel per protocol; a further pair of widths as a dashed line."""
    with figure_style():
        figure, axes = plt.subplots(1, 2, figsize=(8.2, 3.7), sharey=True)
        for ax, (protocol, title) in zip(axes, PROTOCOL_TITLES.items(), strict=True):
            for style, (key, table) in zip(("-", "--", ":", "-."), curves.items(), strict=False):
                rows = table[table["protocol"] == protocol]
                for method in ("direct", "monte_carlo_unscaled", "monte_carlo", "monte_carlo_normalized"):
                    _band(ax, rows[rows["method"] == method], method, style, key == next(iter(curves)))
            _level(ax, next(iter(curves.values())), protocol)
            ax.axhline(1 / candidates, color=METHOD_COLOURS["chance"], linewidth=0.9, label=METHOD_LABELS["chance"])
            ax.set(title=title, xlabel="epoch", ylim=(0, 1.02))
            ax.xaxis.get_major_locator().set_params(integer=True)
        axes[0].set_ylabel(f"Recall@1 among {candidates}")
        handles, labels = axes[1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
        boxes = ", dashed: ".join(_widths(key) for key in curves)
        figure.suptitle(f"Two black boxes, {seeds} seeds, bands of one standard deviation. Solid: {boxes}", fontsize=9)
        save_figure(figure, stem)


def _band(ax: Axes, rows: pd.DataFrame, method: str, style: str, named: bool) -> None:
    curve = rows.groupby("epoch")["recall_at_1"].agg(["mean", "std"]).fillna(0.0)
    epoch, low, high = curve.index.to_numpy() + 1, curve["mean"] - curve["std"], curve["mean"] + curve["std"]
    ax.plot(
        epoch,
        curve["mean"],
        style,
        marker="o",
        markersize=3,
        color=METHOD_COLOURS[method],
        label=METHOD_LABELS[method] if named else None,
    )
    ax.fill_between(epoch, low, high, color=METHOD_COLOURS[method], alpha=0.13, linewidth=0)


def _level(ax: Axes, table: pd.DataFrame, protocol: str) -> None:
    """The references and the distilled bridge, known at the last epoch only, as horizontal lines."""
    for method in ("distilled", "ground_truth", "bayes"):
        rows = table[(table["protocol"] == protocol) & (table["method"] == method)]
        if rows.empty:  # students are of the held-out bank
            continue
        ax.axhline(
            rows["recall_at_1"].mean(),
            color=METHOD_COLOURS[method],
            linestyle="--",
            linewidth=1.2,
            label=METHOD_LABELS[method],
        )


def _widths(key: str) -> str:
    numbers = key.split("_")[1:]
    return f"widths {' and '.join(numbers)}" if numbers else "equal widths"
