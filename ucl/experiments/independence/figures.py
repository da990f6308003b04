"""The figure of `independence`, in the layout of the paper's Fig. 8."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from ucl.files import read_parquet
from ucl.reporting.collected import Files
from ucl.reporting.names import METHOD_COLOURS, METHOD_LABELS
from ucl.reporting.style import figure_style, save_figure

__all__ = ["draw"]
TRUSTING = "bayes_assuming_independence"


def draw(files: Files, section: Mapping[str, Any], folder: Path) -> None:
    """From `recalls`, a file per level of shared noise."""
    recalls = pd.concat([read_parquet(file) for file in files["recalls"]], ignore_index=True)
    draw_recalls(recalls, folder / "independence", section["candidates"], section["seeds"])


def draw_recalls(recalls: pd.DataFrame, stem: str | Path, candidates: int, seeds: int) -> None:
    """Left: recall against the shared noise. Right: what no bridge can avoid to lose, and what this one adds."""
    means = recalls.pivot_table(index="shared_noise", columns="method", values="recall_at_1")
    sds = recalls.pivot_table(index="shared_noise", columns="method", values="recall_at_1", aggfunc="std").fillna(0.0)
    place = range(len(means))
    with figure_style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.7), gridspec_kw={"width_ratios": [3, 2]})
        for method in METHOD_LABELS:
            if method not in means or method == "chance":
                continue
            style = {"bayes": "o:", TRUSTING: "s:", "ground_truth": "o--"}.get(method, "o-")
            left.errorbar(
                place, means[method], sds.get(method), fmt=style, markersize=3.5, capsize=2,
                color=METHOD_COLOURS[method], label=METHOD_LABELS[method],
            )  # fmt: skip
        left.axhline(1 / candidates, color=METHOD_COLOURS["chance"], linewidth=0.9, label=METHOD_LABELS["chance"])
        left.set(
            ylim=(0, 1.03), ylabel=f"Recall@1 among {candidates}", title=f"{seeds} seeds, ± one standard deviation"
        )
        _parts(right, means)
        for ax in (left, right):
            ax.set_xticks(list(place), [f"{noise:g}" for noise in means.index])
            ax.set_xlabel("sd of the noise shared by A and C")
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
        save_figure(figure, stem)


def _parts(ax: Axes, means: pd.DataFrame) -> None:
    """The loss against the exact scorer, split at the exact scorer that trusts Assumption 1."""
    place = list(range(len(means)))
    unavoidable = means["bayes"] - means[TRUSTING]
    added = means[TRUSTING] - means["monte_carlo_normalized"]
    ax.bar(place, unavoidable, color=METHOD_COLOURS[TRUSTING], label="no bridge can avoid")
    ax.bar(
        place,
        added,
        bottom=unavoidable.clip(lower=0),
        color=METHOD_COLOURS["monte_carlo_normalized"],
        label="this bridge adds",
    )
    ax.set(title="loss of normalised LogSumExp", ylabel="Recall@1 below Bayes")
    ax.legend(loc="upper left", fontsize=8)
