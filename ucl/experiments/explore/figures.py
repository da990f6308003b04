"""Figures of `explore`, each drawn from a table or a tensor on disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ucl.experiments.explore.animation import animate_buffer
from ucl.experiments.explore.names import (
    AGENT_COLOURS,
    AGENTS,
    COLLECTOR_COLOURS,
    COLLECTORS,
    CRITICS,
    OBJECTIVES,
    POINT_COLOURS,
    POINT_METHODS,
    POINT_PLACES,
    REFERENCES,
)
from ucl.files import read_parquet
from ucl.maze import layouts
from ucl.maze.drawing import draw_maze
from ucl.maze.example import INSTRUCTION, MAZE, START
from ucl.maze.language import Grammar
from ucl.maze.state_grid import Squares
from ucl.reporting.collected import Files
from ucl.reporting.names import POLICY_COLOURS, POLICY_LABELS
from ucl.reporting.style import figure_style, save_figure
from ucl.statistics.intervals import student_half_width

__all__ = ["draw", "draw_points"]

PANELS = 5  # small multiples at most
ACROSS = 3  # environments of others beside each other


def draw(files: Files, section: Mapping[str, Any], folder: Path) -> None:
    """From `tables` (CSV), `seeking`, `ways`, `paths`, `distances` (one per maze), the fork's `visits` and `walks`."""
    tables = {file.stem: pd.read_csv(file) for file in files["tables"] if file.suffix == ".csv"}
    distances = pd.concat(map(read_parquet, files["distances"]), ignore_index=True)
    by_square = read_parquet(files["visits"][0]).pivot_table(index="round", columns="square", values="visits")
    visits = by_square.to_numpy()
    squares = Squares(layouts.get(MAZE), section["resolution"])
    with figure_style():
        save_figure(_curves(tables["explore_curves"], tables["explore"]), folder / "explore_curves")
        save_figure(_reaching(tables["explore"]), folder / "explore_reaching")
        save_figure(_visits(squares, visits), folder / "explore_visits")
        save_figure(_distances(distances), folder / "explore_distances")
        save_figure(_comparison(tables["explore_comparison"]), folder / "explore_comparison")
        save_figure(_seeking(read_parquet(files["seeking"][0])), folder / "explore_seeking")
        save_figure(_way_points(read_parquet(files["ways"][0])), folder / "explore_way_points")
        save_figure(_paths(read_parquet(files["paths"][0])), folder / "explore_paths")
        if "explore_pointmaze" in tables:
            save_figure(draw_points(tables["explore_pointmaze"]), folder / "explore_pointmaze")
    walks = [way[["x", "y"]].to_numpy() for _, way in read_parquet(files["walks"][0]).groupby("walk")]
    animate_buffer(squares, visits, walks, folder / "explore_buffer.gif")


def _curves(curves: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Interquartile means over seeds and mazes by environment steps; of the references, means over mazes."""
    figure, axes = plt.subplots(1, 4, figsize=(11.0, 3.2))
    titles = {"success": "success", "spl": "SPL", "spearman": "Spearman, distances", "coverage": "squares seen"}
    for ax, (what, title) in zip(axes, titles.items(), strict=True):
        steps = curves["env_steps"] / 1000
        colour = AGENT_COLOURS["explored"]
        ax.plot(steps, curves[what], "o-", color=colour, label=AGENTS["explored"])
        ax.fill_between(steps, curves[f"{what}_low"], curves[f"{what}_high"], color=colour, alpha=0.2, linewidth=0)
        for name in REFERENCES:
            mean = table[table["method"] == name][what].mean()
            if np.isfinite(mean):
                ax.axhline(mean, color=AGENT_COLOURS[name], linestyle="--", label=AGENTS[name])
        ax.set(title=title, xlabel="environment steps, thousands", xlim=(0, None), ylim=(0, 1.02))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def draw_points(table: pd.DataFrame) -> Figure:
    """Success and steps to the goal by environment steps, one above the other for each environment of others."""
    places = list(dict.fromkeys(table["environment"]))
    across = min(ACROSS, len(places))
    down = -(-len(places) // across)
    figure, axes = plt.subplots(2 * down, across, figsize=(2.2 + 2.7 * across, 0.6 + 4.2 * down), squeeze=False)
    pairs = axes.reshape(down, 2, across).swapaxes(1, 2).reshape(-1, 2)
    for pair, place in zip(pairs, places, strict=False):
        _points_of(pair, table[table["environment"] == place])
        pair[0].set_title(POINT_PLACES[place], fontsize=9)
    for ax in pairs[len(places) :].flat:
        ax.remove()
    for number, row in enumerate(axes):
        row[0].set_ylabel("steps to the goal" if number % 2 else "success")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _points_of(pair: Any, table: pd.DataFrame) -> None:
    for ax, what in zip(pair, ("success", "steps"), strict=True):
        for method, colour in POINT_COLOURS.items():
            mine = table[table["method"] == method]
            if method == "explored":
                steps, low, high = mine["env_steps"] / 1000, mine[f"{what}_low"], mine[f"{what}_high"]
                ax.plot(steps, mine[what], "o-", color=colour, label=POINT_METHODS[method])
                ax.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
            else:
                ax.axhline(mine[what].iloc[0], color=colour, linestyle="--", label=POINT_METHODS[method])
        ax.set(xlim=(0, None), ylim=(0, 1.02 if what == "success" else None))
    pair[1].set_xlabel("steps an agent, thousands")


def _reaching(table: pd.DataFrame) -> Figure:
    mazes = list(dict.fromkeys(table["maze"]))
    figure, axes = plt.subplots(2, 1, figsize=(9.6, 5.2), sharex=True)
    width = 0.84 / len(AGENTS)
    for ax, (what, label) in zip(axes, {"success": "success", "spl": "SPL"}.items(), strict=True):
        for number, name in enumerate(AGENTS):
            mine = table[table["method"] == name].set_index("maze").reindex(mazes)
            place = np.arange(len(mazes)) + (number - (len(AGENTS) - 1) / 2) * width
            errors = np.abs(mine[[f"{what}_low", f"{what}_high"]].to_numpy().T - mine[what].to_numpy())
            ax.bar(place, mine[what], width, color=AGENT_COLOURS[name], label=AGENTS[name])
            ax.errorbar(place, mine[what], errors, fmt="none", ecolor="black", elinewidth=0.8)
        ax.set_xticks(np.arange(len(mazes)), [maze.replace("_", "\n") for maze in mazes])
        ax.set(ylim=(0, 1.02), ylabel=label)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _visits(squares: Squares, visits: Float[np.ndarray, "rounds squares"]) -> Figure:
    rounds = np.unique(np.linspace(0, len(visits) - 1, min(PANELS, len(visits))).round().astype(int))
    figure, axes = plt.subplots(1, len(rounds), figsize=(2.3 * len(rounds), 2.6), squeeze=False)
    shares = visits / visits.sum(1, keepdims=True) * visits.shape[1]
    for ax, number in zip(axes[0], rounds.tolist(), strict=True):
        draw_maze(ax, squares.layout)
        shown = ax.imshow(
            squares_as_picture(squares, shares[number]),
            extent=(0, squares.layout.shape[1], squares.layout.shape[0], 0),
            cmap="viridis", vmin=0, vmax=3, zorder=2,
        )  # fmt: skip
        ax.set_title("round 1: at random" if number == 0 else f"round {number + 1}", fontsize=9)
    figure.colorbar(shown, ax=axes, shrink=0.8, label="visits over even ones")
    return figure


def squares_as_picture(squares: Squares, values: Float[np.ndarray, " squares"]) -> Any:
    """The squares of a maze as rows and columns; walls are masked."""
    rows, columns = (side * squares.resolution for side in squares.layout.shape)
    picture = np.full((rows, columns), np.nan)
    at = np.floor(squares.centres * squares.resolution).astype(int)
    picture[at[:, 1], at[:, 0]] = values
    return np.ma.masked_invalid(picture)


def _distances(distances: pd.DataFrame) -> Figure:
    mazes = list(dict.fromkeys(distances["maze"]))
    columns = min(PANELS, len(mazes))
    rows = -(-len(mazes) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.1 * columns, 2.1 * rows + 0.4), squeeze=False)
    for ax in axes.flat[len(mazes) :]:
        ax.set_axis_off()
    for ax, maze in zip(axes.flat, mazes, strict=False):
        mine = distances[distances["maze"] == maze]
        ax.plot(mine["exact"], mine["learned"], ".", color=AGENT_COLOURS["explored"], markersize=3)
        rank = mine["learned"].corr(mine["exact"], method="spearman")
        ax.set_title(f"{maze.replace('_', ' ')}: {rank:.2f}", fontsize=9)
    figure.supxlabel("exact length of the shortest path", fontsize=9)
    figure.supylabel("log p(g | g) / p(g | s), nats", fontsize=9)
    return figure


def _comparison(table: pd.DataFrame) -> Figure:
    names = [name for name in OBJECTIVES if name in set(table["objective"])]
    critics = [name for name in CRITICS if name in set(table["critic"])]
    figure, axes = plt.subplots(1, 3, figsize=(10.4, 3.4))
    shades = ("#333333", "#0072B2", "#D55E00")
    panels = {"success": "success", "spl": "SPL", "broken": "triangles broken"}
    for ax, (what, label) in zip(axes, panels.items(), strict=True):
        for number, name in enumerate(names):
            mine = table[table["objective"] == name].set_index("critic").reindex(critics)
            place = np.arange(len(critics)) + (number - (len(names) - 1) / 2) * 0.27
            errors = np.abs(mine[[f"{what}_low", f"{what}_high"]].to_numpy().T - mine[what].to_numpy())
            ax.bar(place, mine[what], 0.27, color=shades[number], label=OBJECTIVES[name])
            ax.errorbar(place, mine[what], errors, fmt="none", ecolor="#888888", elinewidth=0.9)
        ax.set_xticks(np.arange(len(critics)), [CRITICS[name].replace(" ", "\n", 1) for name in critics], fontsize=8)
        ax.set_title(label)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _seeking(seeking: pd.DataFrame) -> Figure:
    figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.4))
    for name in COLLECTORS:
        mine = seeking[seeking["collector"] == name]
        by_round = mine.groupby("env_steps")["coverage"]
        mean, half = by_round.mean(), by_round.apply(student_half_width)
        steps, colour = mean.index.to_numpy() / 1000, COLLECTOR_COLOURS[name]
        axes[0].plot(steps, mean, "o-", color=colour, label=COLLECTORS[name], markersize=3)
        axes[0].fill_between(steps, mean - half, mean + half, color=colour, alpha=0.15, linewidth=0)
        first = np.sort(mine.groupby("seed")["arrival"].first().dropna().to_numpy()) / 1000
        at, share = np.array([0, *first, steps[-1]]), np.array([*range(len(first) + 1), len(first)])
        axes[1].step(at, share / mine["seed"].nunique(), where="post", color=colour)
    axes[0].set(xlabel="environment steps an agent, thousands", ylabel="share of squares seen", ylim=(0, 1.02))
    axes[1].set(xlabel="environment steps an agent, thousands", ylabel="agents that have been at the goal")
    axes[1].set(xlim=(0, None), ylim=(0, 1.02))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _way_points(ways: pd.DataFrame) -> Figure:
    mazes = list(dict.fromkeys(ways["maze"]))
    figure, axes = plt.subplots(1, len(mazes), figsize=(4.2 * len(mazes), 4.2), squeeze=False)
    for ax, maze in zip(axes[0], mazes, strict=True):
        draw_maze(ax, layouts.get(maze))
        groups = ways[ways["maze"] == maze].groupby("task", sort=False)
        for (_, way), colour in zip(groups, ("#0072B2", "#D55E00", "#009E73"), strict=False):
            ax.plot(way["x"], way["y"], "--", color=colour, linewidth=1)
            ax.plot(way["x"].iloc[1:-1], way["y"].iloc[1:-1], "D", color=colour, markersize=6)
            ax.plot(way["x"].iloc[0], way["y"].iloc[0], "o", color=colour, markersize=8, markeredgecolor="black")
            ax.plot(way["x"].iloc[-1], way["y"].iloc[-1], "*", color=colour, markersize=13, markeredgecolor="black")
        ax.set_title(maze.replace("_", " "))
    figure.suptitle("way-points (diamonds) between start (circle) and goal (star)", fontsize=9)
    return figure


def _paths(paths: pd.DataFrame) -> Figure:
    layout = layouts.get(MAZE)
    cells = Grammar(layout).denotation(INSTRUCTION)
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.9))
    for ax, name in zip(axes, ("direct", "monte_carlo"), strict=True):
        _draw_paths(ax, paths[paths["policy"] == name], POLICY_COLOURS[name])
        steps = paths[paths["policy"] == name].groupby(["seed", "walk"])["step"].max().median()
        ax.set_title(f"{POLICY_LABELS[name]}: median {steps:.0f} steps")
    for ax in axes:
        draw_maze(ax, layout, cells)
    figure.suptitle(f"told “{INSTRUCTION}”, never shown a path: four walks per seed", fontsize=9)
    return figure


def _draw_paths(ax: Axes, mine: pd.DataFrame, colour: str) -> None:
    for _, way in mine[mine["walk"] < 4].groupby(["seed", "walk"]):
        ax.plot(way["x"], way["y"], color=colour, linewidth=0.7, alpha=0.45, zorder=3)
        ax.plot(way["x"].iloc[-1], way["y"].iloc[-1], "*", color=colour, markersize=7, zorder=4)
    ax.plot(*START, "o", color="black", markersize=6, zorder=5)
