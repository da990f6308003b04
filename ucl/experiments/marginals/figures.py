"""Figures of `marginals`: representations of dimension 2 as in the paper's Fig. 7, and what the tests can see."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.axes import Axes
from torch import Tensor

from ucl.files import read_parquet
from ucl.reporting.collected import Files
from ucl.reporting.style import figure_style, save_figure
from ucl.tensors import read_tensors

__all__ = ["draw", "draw_power", "draw_scatter"]

MODALITY_COLOURS = {"a": "#0072B2", "b": "#009E73", "c": "#D55E00"}
TEST_STYLES = {
    "rayleigh": ("Rayleigh", "#0072B2", "o-"),
    "bingham": ("Bingham", "#E69F00", "s-"),
    "kernel_mmd": ("kernel MMD", "#009E73", "^-"),
    "coordinate_ks": ("coordinate KS, Šidák", "#CC79A7", "v-"),
    "published_ks": ("coordinate KS, the paper's reading", "#999999", "x--"),
    "mardia_skewness": ("Mardia skewness", "#56B4E9", "o-"),
    "mardia_kurtosis": ("Mardia kurtosis", "#D55E00", "s-"),
    "henze_zirkler": ("Henze-Zirkler", "#333333", "^-"),
}
FAMILIES = (
    ("uniform", ("von Mises-Fisher", "cap", "antipodal mixture")),
    ("Gaussian", ("Student t, 10 df", "two groups", "uniform on the sphere")),
)


def draw(files: Files, section: Mapping[str, Any], folder: Path) -> None:
    """From `representations`, a file for each of the section's `critics`, and `rejections`."""
    pairs = zip(section["critics"], files["representations"], strict=True)
    draw_scatter(
        {critic: read_tensors(file) for critic, file in pairs}, folder / "marginals_scatter", section["tested"]
    )
    draw_power(read_parquet(files["rejections"][0]), folder / "marginals_power")


def draw_scatter(representations: Mapping[str, Mapping[str, Tensor]], stem: str | Path, points: int) -> None:
    """One panel per critic: representations of A, B and C of one seed; under the cosine critic their directions."""
    with figure_style():
        figure, axes = plt.subplots(1, len(representations), figsize=(3.1 * len(representations), 3.4), squeeze=False)
        for ax, (critic, tensors) in zip(axes[0], representations.items(), strict=True):
            for modality, colour in MODALITY_COLOURS.items():
                x = tensors[modality][0, :points, :2]
                if critic == "cosine":
                    x = torch.nn.functional.normalize(x, dim=-1)
                ax.scatter(x[:, 0], x[:, 1], s=5, alpha=0.45, color=colour, linewidths=0, label=modality.upper())
            ax.set_title(critic + (" (normalised)" if critic == "cosine" else ""))
            ax.set_aspect("equal", adjustable="datalim")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, markerscale=2.5)
        save_figure(figure, stem)


def draw_power(table: pd.DataFrame, stem: str | Path) -> None:
    """Share of rejections at 5 % against the dimension: on null data, and under three alternatives, per family."""
    with figure_style():
        figure, axes = plt.subplots(2, 4, figsize=(10.5, 5.6))
        for line, (null, alternatives) in zip(axes, FAMILIES, strict=True):
            _size(line[0], table[table["alternative"] == null], f"size: {null}")
            for ax, alternative in zip(line[1:], alternatives, strict=True):
                _curves(ax, table[table["alternative"] == alternative])
                ax.set(title=f"power: {alternative}", ylim=(-0.03, 1.03))
            line[0].set_ylabel("share rejected at 5 %")
        for ax in axes[1]:
            ax.set_xlabel("dimension d")
        found = [ax.get_legend_handles_labels() for ax in axes[:, 0]]
        figure.legend(
            [h for f in found for h in f[0]],
            [n for f in found for n in f[1]],
            loc="outside lower center",
            ncols=4,
            fontsize=8,
        )
        save_figure(figure, stem)


def _size(ax: Axes, table: pd.DataFrame, title: str) -> None:
    ax.axhspan(0.04, 0.06, color="#e8f3e8", zorder=0)
    ax.axhline(0.05, color="#777777", linewidth=0.8)
    _curves(ax, table)
    ax.set(title=title, ylim=(-0.005, 0.1))


def _curves(ax: Axes, table: pd.DataFrame) -> None:
    for test, (name, colour, style) in TEST_STYLES.items():
        rows = table[table["test"] == test].sort_values("d")
        if len(rows):
            ax.errorbar(
                rows["d"], rows["rejected"], rows["ci95"], fmt=style, color=colour, markersize=4, capsize=2, label=name
            )
    ax.set_xscale("log", base=2)
    ticks = sorted(table["d"].unique())
    crowded = [later < 4 * d for d, later in zip(ticks, [*ticks[1:], float("inf")], strict=True)]
    ax.set_xticks(ticks, ["" if near else str(d) for d, near in zip(ticks, crowded, strict=True)])
    ax.minorticks_off()
