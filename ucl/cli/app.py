"""The command `ucl`. Nothing heavy is imported before a subcommand runs: `--help` answers at once."""

import os
import sys
from typing import Annotated

import typer

from ucl import __version__
from ucl.cli.distilled import distill, index_app
from ucl.cli.embed import embed
from ucl.cli.evaluation import evaluate
from ucl.cli.maze import maze_app
from ucl.cli.plan import plan
from ucl.cli.scoring import bank_app, explain, merge, retrieve, score
from ucl.cli.search import search
from ucl.cli.trust import calibrate, check, diagnose
from ucl.cli.workflow import params, track
from ucl.errors import InputError
from ucl.extras import remedy

__all__ = ["app", "main"]

ABOUT = """Score pairs of modalities that were never trained together.

A is what you ask with, C what you look for, B (the bank) what both models know: sounds, images and texts, say.

\b
From embeddings: check, diagnose, bank build, retrieve, explain.
From folders of media: embed, bank build, search.
Into a vector index: distill, index build, search.
"""

app = typer.Typer(
    help=ABOUT,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command(short_help="Embed a folder of pictures or sounds, or a list of texts.")(embed)
app.command(short_help="The best answers to media, or to embeddings by an index.")(search)
app.command(short_help="Every row of A against every row of C, into a file.")(score)
app.command(short_help="Put the parts that `ucl score --shard` wrote together.")(merge)
app.command(short_help="The best rows of C for every row of A, with errors.")(retrieve)
app.command(short_help="Is this bank what you think it is?")(check)
app.command(short_help="The scale that known pairs of one model ask for.")(calibrate)
app.command(short_help="Direct comparison, which bridge, or neither?")(diagnose)
app.command(short_help="The samples of the bank that carry a match.")(explain)
app.command(short_help="Recall of every bridge on known pairs.")(evaluate)
app.add_typer(bank_app, name="bank")
app.command(short_help="A bridge as two small maps, for any vector index.")(distill)
app.add_typer(index_app, name="index")
app.add_typer(maze_app, name="maze")
app.command(short_help="What a size costs: arithmetic, bytes, hours.")(plan)
app.command(short_help="Check a parameter file; what each key means.")(params)
app.command(short_help="Log runs to MLflow that no server could take.")(track)


def _show_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit
    return wanted


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Only `--version`; the help is the app's."""


def main() -> None:
    """Run the command; a mistake, or a machine that refuses, is one line and exit code 2."""
    try:
        code = app(prog_name="ucl", standalone_mode=False)
        sys.stdout.flush()
    except typer.Abort:  # the end of the input, where there was a question
        sys.exit(1)
    except (typer.TyperException, InputError, OSError, ModuleNotFoundError, MemoryError, RuntimeError) as error:
        line = _line(error)
        if line is None:
            raise
        _mute_stdout()
        print(line, file=sys.stderr)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


def _line(error: Exception) -> str | None:
    """What to say about an error; None for one that is not the user's or the machine's."""
    if isinstance(error, typer.TyperException):
        text = error.format_message().replace("Value error, ", "")  # pydantic's word, which typer passes on
        # A group without a subcommand answers with its help, as `--help` does.
        return text if text.startswith("Usage:") else f"ucl: {' '.join(text.split())}"
    if isinstance(error, ModuleNotFoundError):
        advice = remedy((error.name or "").partition(".")[0])
        return advice and f"ucl: {advice}"
    if isinstance(error, MemoryError | RuntimeError):  # PyTorch's is a RuntimeError
        reason = str(error).partition("\n")[0]
        known = isinstance(error, MemoryError) or "allocate memory" in reason or "out of memory" in reason
        return f"ucl: out of memory: {reason}; give it fewer rows at a time" if known else None
    if isinstance(error, OSError) and not isinstance(error, InputError):
        what = f"{error.filename}: " if error.filename else ""
        return f"ucl: {what}{error.strerror or str(error).splitlines()[0]}"
    return f"ucl: {error}"


def _mute_stdout() -> None:
    """What is still in the buffer cannot be written either (a full disk), and must not fail again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
