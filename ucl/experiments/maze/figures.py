"""Figures of `maze` (Figs. 9 to 13 and beyond), each drawn from a table on disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from ucl.experiments.maze.summary import AMBIGUITY, policy_order
from ucl.files import read_parquet
from ucl.maze import layouts
from ucl.maze.drawing import animate, draw_maze
from ucl.maze.example import INSTRUCTION, MAZE, START
from ucl.maze.language import Grammar
from ucl.maze.layouts import Layout
from ucl.reporting.collected import Files
from ucl.reporting.names import POLICY_COLOURS, POLICY_LABELS
from ucl.reporting.style import figure_style, save_figure

__all__ = ["animate_showcase", "draw", "draw_showcase"]

SPLITS = {"seen": "wording in training", "test_wording": "new wording", "test_composition": "new composition"}
DIRECTIONS = ("left", "right", "up", "down")


def draw(files: Files, section: Mapping[str, Any], folder: Path) -> None:
    """From `tables` (CSV), and `paths`, `maps` and `placed` of the shown maze; with an animation, `maze_walk.gif`."""
    tables = {file.stem: pd.read_csv(file) for file in files["tables"] if file.suffix == ".csv"}
    draw_tables(tables["maze"], tables["maze_ambiguity"], tables["maze_words"], tables["maze_banks"], folder)
    paths, maps, placed = (read_parquet(files[name][0]) for name in ("paths", "maps", "placed"))
    draw_showcase(paths, maps, placed, folder)
    animate_showcase(paths, folder / "maze_walk.gif")


def draw_tables(
    policies: pd.DataFrame, vague: pd.DataFrame, words: pd.DataFrame, banks: pd.DataFrame, folder: str | Path
) -> None:
    """Figures over all mazes, from the tables of `ucl.experiments.maze.summary`."""
    folder = Path(folder)
    with figure_style():
        save_figure(_mazes(list(dict.fromkeys(policies["maze"]))), folder / "maze_layouts")
        save_figure(_success(policies), folder / "maze_success")
        save_figure(_ambiguity(vague), folder / "maze_ambiguity")
        save_figure(_words(words), folder / "maze_words")
        save_figure(_banks(banks), folder / "maze_banks")


def draw_showcase(paths: pd.DataFrame, maps: pd.DataFrame, placed: pd.DataFrame, folder: str | Path) -> None:
    """Figures about the fork and "the first column", from the tables of `ucl.experiments.maze.showcase`."""
    folder = Path(folder)
    with figure_style():
        save_figure(_paths(paths), folder / "maze_paths")
        save_figure(_maps(maps), folder / "maze_critics")
        save_figure(_representations(placed), folder / "maze_representations")


def animate_showcase(paths: pd.DataFrame, path: str | Path) -> None:
    """Direct and LogSumExp in the fork, as a GIF: of each the walk that takes its median number of steps."""
    ways = {name: _typical(paths[paths["policy"] == name]) for name in ("direct", "monte_carlo")}
    animate(layouts.get(MAZE), INSTRUCTION, ways, path)


def _typical(rows: pd.DataFrame) -> Float[np.ndarray, "steps 2"]:
    lengths = rows.groupby(["seed", "walk"], as_index=False)["step"].max()
    middle = lengths.loc[(lengths["step"] - lengths["step"].median()).abs().idxmin()]
    mine = rows[(rows["seed"] == middle["seed"]) & (rows["walk"] == middle["walk"])].sort_values("step")
    return mine[["x", "y"]].to_numpy()


def _mazes(names: list[str]) -> Figure:
    columns = min(5, len(names))
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.8 * columns, 2.0 * rows), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, name in zip(axes.flat, names, strict=False):
        ax.set_axis_on()
        draw_maze(ax, layouts.get(name))
        ax.set_title(name.replace("_", " "))
    return figure


def _paths(paths: pd.DataFrame) -> Figure:
    layout = layouts.get(MAZE)
    cells = Grammar(layout).denotation(INSTRUCTION)
    names = policy_order(paths["policy"])
    figure, axes = plt.subplots(1, len(names), figsize=(3.6 * len(names), 3.9), squeeze=False)
    for ax, name in zip(axes[0], names, strict=True):
        draw_maze(ax, layout, cells)
        mine = paths[paths["policy"] == name]
        for _, way in mine[mine["walk"] < 4].groupby(["seed", "walk"]):
            ax.plot(way["x"], way["y"], color=POLICY_COLOURS[name], linewidth=0.6, alpha=0.35)
        typical = _typical(mine)
        ax.plot(*typical.T, color=POLICY_COLOURS[name], linewidth=2.2)
        ax.plot(*START, "o", color="black", markersize=6)
        ax.plot(*typical[-1], "*", color=POLICY_COLOURS[name], markeredgecolor="black", markersize=13)
        steps = mine.groupby(["seed", "walk"])["step"].max().median()
        ax.set_title(f"{POLICY_LABELS[name]}: median {steps:.0f} steps")
    figure.suptitle(f"told “{INSTRUCTION}”: four walks per seed, a median walk in bold", fontsize=9)
    return figure


def _grid(layout: Layout, rows: pd.DataFrame, value: str) -> Shaped[np.ndarray, "height width"]:
    """The squares of a maze as a picture; walls are NaN."""
    per_side = round(np.sqrt(len(rows) / len(layout.cells)))
    height, width = (side * per_side for side in layout.shape)
    grid = np.full((height, width), np.nan)
    at = np.floor(rows[["y", "x"]].to_numpy() * per_side).astype(int)
    grid[at[:, 0], at[:, 1]] = rows[value]
    return grid


def _map(ax: Axes, layout: Layout, rows: pd.DataFrame, title: str, best: float) -> AxesImage:
    draw_maze(ax, layout)
    height, width = layout.shape
    picture = np.ma.masked_invalid(_grid(layout, rows, "value") - best)
    shown = ax.imshow(picture, extent=(0, width, height, 0), cmap="viridis", vmin=-8, vmax=0, zorder=2)
    ax.plot(*START, "o", color="#D55E00", markeredgecolor="white", markersize=5, zorder=3)
    ax.set_title(title, fontsize=9)
    return shown


def _maps(maps: pd.DataFrame) -> Figure:
    """The critic of the words; each action's critic; and below them their sums, which LogSumExp adds up."""
    layout = layouts.get(MAZE)
    figure, axes = plt.subplots(2, 5, figsize=(10.6, 4.7))
    values: dict[str, pd.DataFrame] = dict(list(maps.groupby("map", sort=False)))  # type: ignore[arg-type]
    shown = _map(axes[0, 0], layout, values["words"], f"“{INSTRUCTION}”", values["words"]["value"].max())
    axes[1, 0].set_axis_off()
    best_sum = max(values[f"words + {name}"]["value"].max() for name in DIRECTIONS)
    for column, name in enumerate(DIRECTIONS, start=1):
        _map(axes[0, column], layout, values[name], f"action {name}", values[name]["value"].max())
        both = values[f"words + {name}"]
        total = np.logaddexp.reduce(both["value"].to_numpy()) - np.log(len(both))
        _map(axes[1, column], layout, both, f"words + {name}: {total:.2f}", best_sum)
    figure.colorbar(shown, ax=axes, shrink=0.8, label="nats below the maximum")
    figure.suptitle(
        "above: critics, each below its own maximum; below: their sums and LogSumExp over cells", fontsize=9
    )
    return figure


def _representations(placed: pd.DataFrame) -> Figure:
    states, words = placed[placed["kind"] == "state"], placed[placed["kind"] == "words"]
    figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.9))
    for ax, axis in zip(axes, ("x", "y"), strict=True):
        dots = ax.scatter(states["u"], states["v"], c=states[axis], s=4, cmap="viridis")
        ax.scatter(words["u"], words["v"], marker="*", s=70, color="#D55E00", edgecolor="black", linewidth=0.5)
        figure.colorbar(dots, ax=ax, label="column (x)" if axis == "x" else "row (y)")
        ax.set(xlabel="first axis", ylabel="second axis")
    middle = (words["u"].min() + words["u"].max()) / 2
    for _, word in words.iterrows():  # labels point away from each other
        side, offset = ("right", -5) if word["u"] < middle else ("left", 5)
        crowded = ((words["v"] - word["v"]).between(0, 0.4, "neither") & ((words["u"] - word["u"]).abs() < 1)).any()
        place = {"xytext": (offset, -10 if crowded else 4), "textcoords": "offset points", "ha": side}
        axes[0].annotate(word["text"], (word["u"], word["v"]), fontsize=7, **place)
    figure.suptitle("states of the fork (dots) and words (stars) on the two main axes of the states", fontsize=9)
    return figure


def _bars(ax: Axes, rows: pd.DataFrame, names: list[str], groups: list[str], key: str, what: str) -> None:
    width = 0.84 / len(names)
    for number, name in enumerate(names):
        mine = rows[rows["policy"] == name].set_index(key).reindex(groups)
        place = np.arange(len(groups)) + (number - (len(names) - 1) / 2) * width
        errors = np.nan_to_num(np.abs(mine[[f"{what}_low", f"{what}_high"]].to_numpy().T - mine[what].to_numpy()))
        ax.bar(place, mine[what], width, color=POLICY_COLOURS[name], label=POLICY_LABELS[name])
        ax.errorbar(place, mine[what], errors, fmt="none", ecolor="black", elinewidth=0.8)
    ax.set_xticks(np.arange(len(groups)), [group.replace("_", "\n") for group in groups])
    ax.set_ylim(0, 1.02)


def _success(policies: pd.DataFrame) -> Figure:
    mazes = list(dict.fromkeys(policies["maze"]))
    names = [name for name in POLICY_COLOURS if name in set(policies["policy"])]
    figure, axes = plt.subplots(2, 1, figsize=(9.6, 5.6), sharex=True)
    for ax, what, label in zip(axes, ("success", "spl"), ("success", "SPL"), strict=True):
        _bars(ax, policies, names, mazes, "maze", what)
        ax.set_ylabel(f"{label} (interquartile mean)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _ambiguity(vague: pd.DataFrame) -> Figure:
    """Mean success and SPL over all mazes, by how much of the maze an instruction denotes."""
    names = [name for name in POLICY_COLOURS if name in set(vague["policy"])]
    figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.6))
    for ax, what, label in zip(axes, ("success_mean", "spl_mean"), ("success", "SPL"), strict=True):
        for name in names:
            mean = vague[vague["policy"] == name].groupby("ambiguity")[what].mean().reindex(AMBIGUITY)
            ax.plot(AMBIGUITY, mean, "o-", color=POLICY_COLOURS[name], label=POLICY_LABELS[name])
        ax.set(xlabel="cells that the instruction denotes", ylabel=f"{label}, mean over mazes", ylim=(0, 1.02))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _words(words: pd.DataFrame) -> Figure:
    mazes = list(dict.fromkeys(words["maze"]))
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.4), sharey=True)
    shades = ("#333333", "#0072B2", "#E69F00")
    for ax, policy in zip(axes, ("direct", "monte_carlo"), strict=True):
        mine = words[words["policy"] == policy]
        for number, (split, label) in enumerate(SPLITS.items()):
            mean = mine[mine["split"] == split].set_index("maze")["success_mean"].reindex(mazes)
            ax.bar(np.arange(len(mazes)) + (number - 1) * 0.28, mean, 0.28, color=shades[number], label=label)
        ax.set_xticks(np.arange(len(mazes)), [maze.replace("_", "\n") for maze in mazes], fontsize=7)
        ax.set(title=POLICY_LABELS[policy], ylim=(0, 1.02))
    axes[0].set_ylabel("mean success")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _banks(banks: pd.DataFrame) -> Figure:
    figure, ax = plt.subplots(figsize=(4.8, 3.3))
    for what, label, style in (("success_mean", "success", "o-"), ("spl_mean", "SPL", "s--")):
        ax.plot(banks["bank"], banks[what], style, color=POLICY_COLOURS["monte_carlo"], label=label)
    ax.set(xscale="log", xlabel="states in the bank", ylabel=f"mean over instructions, {MAZE}", ylim=(0, 1.02))
    ax.set_xticks(banks["bank"], [str(size) for size in banks["bank"]])
    ax.minorticks_off()
    ax.legend()
    return figure
