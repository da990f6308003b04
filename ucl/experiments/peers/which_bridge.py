"""The page "Which bridge should I use?": a template filled in from the numbers of `peers`, so that it cannot drift."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ucl.experiments.peers.figures import WORLD_NAMES
from ucl.files import write_text
from ucl.reporting.names import METHOD_LABELS
from ucl.reporting.templates import templates

__all__ = ["write"]


def write(
    metrics: Mapping[str, Mapping[str, Mapping[str, float | None]]],
    verdicts: pd.DataFrame,
    params: Mapping[str, Any],
    path: str | Path,
) -> None:
    """Render the page from the metrics of `peers` and its table of verdicts; a missing number is an error."""
    environment = templates()
    environment.filters["pm"] = lambda entry: f"{entry['recall_at_1']:.3f} ± {entry['ci95']:.3f}"
    text = environment.get_template("experiments/peers/which_bridge.md.j2").render(
        metrics=metrics,
        worlds={world: name for world, name in WORLD_NAMES.items() if world in metrics},
        methods=METHOD_LABELS,
        bridges=_by_world(verdicts),
        steady=_steadiness(verdicts),
        params=params,
    )
    write_text(text.rstrip() + "\n", path)


def _by_world(verdicts: pd.DataFrame) -> dict[str, Any]:
    """The bridges of each world, best first."""
    return {str(world): rows.to_dict("records") for world, rows in verdicts.groupby("world", sort=False)}


def _steadiness(verdicts: pd.DataFrame, unanswerable: str = "xor") -> list[Any]:
    """Methods that are defined in every world with an answer, by their largest loss against its best bridge."""
    answerable = verdicts[verdicts["world"] != unanswerable]
    found = answerable.groupby("method").agg(
        worlds=("world", "size"), worst=("behind_best", "max"), mean=("behind_best", "mean"), wins=("ties", "sum")
    )
    everywhere = found[found["worlds"] == answerable["world"].nunique()].reset_index()
    return everywhere.sort_values(["worst", "mean"]).to_dict("records")
