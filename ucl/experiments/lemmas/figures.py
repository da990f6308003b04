"""The figure of `lemmas`: how far every check is from its exact value, in units of what is tolerated."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from ucl.files import read_parquet
from ucl.reporting.collected import Files
from ucl.reporting.style import figure_style, save_figure

__all__ = ["TITLES", "draw"]

TITLES = {
    "lemma_1": "Lemma 1: the bridge is the log ratio",
    "lemma_2": "Lemma 2: closed form on the sphere",
    "lemma_3": "Lemma 3: closed form for Gaussian B",
    "lemma_4": "Lemma 4: marginals do not determine p(a, c)",
    "nce": "Binary NCE recovers a log ratio",
    "infonce": "InfoNCE recovers a log ratio",
    "occupancy": "Q(s, a, g) = exp(f) ρ(g)",
}


def draw(files: Files, section: Mapping[str, Any], folder: Path) -> None:
    """From `checks`."""
    draw_checks(read_parquet(files["checks"][0]), folder)


def draw_checks(checks: pd.DataFrame, folder: str | Path) -> None:
    """Draw `lemmas_checks` from the table of `checks.check_all`."""
    with figure_style():
        figure, ax = plt.subplots(figsize=(6.4, 2.7))
        share = (checks["error"] / checks["tolerance"]).tolist()
        places = range(len(checks))
        ax.hlines(places, 0, share, color="#999999", linewidth=1)
        ax.scatter(share, places, c=["#009E73" if holds else "#D55E00" for holds in checks["holds"]], zorder=3)
        ax.axvline(1, color="#333333", linestyle="--", linewidth=1)
        ax.set_yticks(places, [TITLES[check] for check in checks["check"]])
        ax.set(xlabel="largest deviation as a share of what is tolerated", xlim=(-0.03, max(1.1, 1.05 * max(share))))
        ax.invert_yaxis()
        save_figure(figure, Path(folder) / "lemmas_checks")
