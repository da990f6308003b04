"""The command `ucl maze`: list the mazes, and watch two agents follow words."""

import math
import sys
import time
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from ucl.errors import InputError

__all__ = ["maze_app"]

maze_app = typer.Typer(help="Mazes, and agents that are told in words where to go.", no_args_is_help=True)
Start = Annotated[str | None, typer.Option(metavar="X,Y", help="Where to start; drawn at random if left out.")]
Weights = Annotated[
    Path | None, typer.Option(help="results/maze/<name of the maze>/model.safetensors; if left out: train now.")
]

Agent = Annotated[str, typer.Option(help="oracle: learned from an oracle's walks; explored: from its own.")]


@maze_app.command("list")
def list_mazes() -> None:
    """Name, size, free cells and number of phrases of every maze."""
    from ucl.maze import layouts
    from ucl.maze.language import Grammar

    for name in layouts.MAZES:
        layout = layouts.get(name)
        words = Grammar(layout)
        counts = ", ".join(f"{len(words.phrases(split))} {split}" for split in ("train", "test_wording"))
        rows, columns = layout.shape
        typer.echo(f"{name:15s} {rows:2d} x {columns:2d}  {len(layout.cells):3d} free cells  phrases: {counts}")


@maze_app.command()
def play(
    maze: Annotated[str, typer.Argument(help="A maze that `ucl maze list` names, or a text map of . and #.")] = "fork",
    instruction: Annotated[str | None, typer.Argument(help="Where to go; asked for if left out.")] = None,
    start: Start = None,
    weights: Weights = None,
    agent: Agent = "oracle",
    save: Annotated[Path | None, typer.Option(metavar="FILE.gif", help="Save an animation instead.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Steps at most.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of the start and of the agents' draws.")] = 0,
    pause: Annotated[float, typer.Option(min=0, help="Seconds between steps.")] = 0.1,
) -> None:
    """Type an instruction and watch direct comparison (D) beside LogSumExp (L).

    Example: ucl maze play fork "the first column" --start 4.5,6.5
    """
    import numpy as np

    from ucl.cli.paths import check_apart
    from ucl.files import replacing
    from ucl.maze import geometry, layouts
    from ucl.maze.drawing import animate
    from ucl.maze.language import Grammar
    from ucl.maze.play import Agents, Teacher, text_frame
    from ucl.runtime import prepare

    layout, place = layouts.get(maze), _position(start)
    if agent not in list(Teacher):
        raise InputError(f"--agent {agent!r}: unknown; allowed: {', '.join(Teacher)}")
    if weights is not None and agent == Teacher.EXPLORED:
        raise InputError(f"--weights {weights}: an explored agent is trained on the spot; leave --weights out")
    if instruction is not None:
        Grammar(layout).denotation(instruction)  # wrong words are told before agents are trained
    if place is not None:
        geometry.place(layout, np.array([place]))  # likewise a wrong place
    if save is not None:
        if save.suffix != ".gif":
            raise InputError(f"--save {save}: an animation is a .gif; got {save.suffix or 'no suffix'}")
        check_apart(save, weights)
    prepare(1)
    with replacing(save) if save else nullcontext() as animation:  # opened before agents are trained
        agents = Agents(layout, weights, Teacher(agent), progress=sys.stderr.isatty())
        text = instruction or typer.prompt("Go to")
        ways = agents.walk(text, place, limit, seed)
        if animation is not None:
            animate(layout, text, ways, animation)
    if save is not None:
        typer.echo(f"saved {save}")
    else:
        steps = range(max(map(len, ways.values())))
        _show((text_frame(layout, text, ways, step) for step in (steps if sys.stdout.isatty() else steps[-1:])), pause)


def _show(frames: Iterable[str], pause: float) -> None:
    """Print frames, on a terminal one over the other."""
    for frame in frames:
        if sys.stdout.isatty():
            typer.echo("\033[H\033[2J", nl=False)
            time.sleep(pause)
        typer.echo(frame)


def _position(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        x, y = (float(part) for part in text.split(","))
        if not (math.isfinite(x) and math.isfinite(y)):
            raise ValueError
    except ValueError:
        raise InputError(f"--start {text!r}: expected two numbers, such as 4.5,6.5 (x right, y down)") from None
    return x, y
