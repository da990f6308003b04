"""Commands beside the workflow: what the parameters mean, and logging runs that a server could not take."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ucl.errors import InputError

__all__ = ["params", "track"]


def params(
    file: Annotated[Path, typer.Argument(help="A parameter file.")] = Path("params.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a parameter file and say what each key means.

    Example: ucl params profiles/demo/params.yaml
    """
    from ucl.experiments.params import Params, describe, load_params

    if not file.exists():
        raise InputError(f"{file} does not exist: run from the repository's root, or name a parameter file")
    rows = describe(Params, load_params(file))
    if as_json:
        typer.echo(json.dumps([{"key": key, "value": value, "meaning": meaning} for key, value, meaning in rows]))
        return
    for key, value, meaning in rows:
        typer.echo(f"{key} = {json.dumps(value)}\n    {meaning}")


def track(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Descriptions of runs; by default all that are not logged yet.")
    ] = None,
) -> None:
    """Log runs to MLflow that no server could take when they were made; what is there is not logged twice.

    Example: ucl track results/synthetic/runs.json
    """
    from ucl.cli.paths import check_apart
    from ucl.reporting.tracking import log_runs

    pending = files or [path for path in sorted(Path("results").glob("*/runs.json")) if _is_pending(path)]
    for path in pending:
        if not path.is_file():
            raise InputError(f"{path} is no file: name a runs.json that the workflow wrote")
        receipt = path.with_name("tracked.json")
        check_apart(receipt, path)
        if not log_runs(path, receipt):
            raise typer.Exit(1)
    typer.echo(f"{len(pending)} files of runs logged")


def _is_pending(runs: Path) -> bool:
    from ucl.files import read_json

    receipt = runs.with_name("tracked.json")
    try:
        return read_json(receipt)["pending"] is not None
    except (OSError, ValueError, KeyError, TypeError):  # no receipt, or no whole one
        return True
