"""The commands `ucl distill` and `ucl index build`: a bridge as two small maps and an index."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ucl.cli.options import AB, BC, FILES, BankFile, BankForC, Device, Json, Progress, ScaleAB, ScaleBC

__all__ = ["distill", "index_app"]

index_app = typer.Typer(help="Indexes of C by a student's vectors.", no_args_is_help=True)
StudentFile = Annotated[Path, typer.Argument(metavar="STUDENT", help="What `ucl distill` wrote.")]


def distill(
    a: Annotated[str, typer.Argument(metavar="A", help=f"Samples of A, unpaired. {FILES}")],
    c: Annotated[str, typer.Argument(metavar="C", help="Samples of C, likewise.")],
    bank: BankFile,
    out: Annotated[Path, typer.Option(help="Where to write the student: .safetensors.")],
    ab_scale: ScaleAB = None,
    bc_scale: ScaleBC = None,
    bank_for_c: BankForC = None,
    ab: AB = None,
    bc: BC = None,
    width: Annotated[int, typer.Option(min=2, help="Of the vectors.")] = 64,
    hidden: Annotated[
        int | None, typer.Option(min=0, help="Width of two hidden layers, 0: linear; left out: simulated pairs choose.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Of training.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws and the first weights.")] = 0,
    device: Device = "cpu",
    as_json: Json = False,
    progress: Progress = True,
) -> None:
    """Train two small maps on pairs that the models and the bank imply; no pair of (A, C) is used.

    Example: ucl distill a.npy c.npy --bank b.npy --ab-scale 100 --bc-scale 18.6 --out s.safetensors
    """
    from ucl.cli import inputs
    from ucl.cli.paths import check_apart
    from ucl.distilled.distil import distill as distil
    from ucl.distilled.report import weak_allowed
    from ucl.distilled.training import Settings
    from ucl.errors import InputError
    from ucl.files import replacing

    if out.suffix != ".safetensors":
        raise InputError(f"--out must end in .safetensors: got {out}")
    check_apart(out, a, c, bank, bank_for_c)
    given = inputs.rows(a, "a"), inputs.rows(c, "c")
    bridge = inputs.bridge(ab, ab_scale, bc, bc_scale, bank, bank_for_c, False, *given)
    samples = [inputs.moved(rows, device) for rows in given]
    settings = Settings(steps=steps)
    with replacing(out) as temporary, weak_allowed():  # told below
        student = distil(bridge, *samples, width=width, hidden=hidden, seed=seed, settings=settings, progress=progress)
        student.save(temporary)
    report = student.report
    judged = {"weak": report.weak, "few_kept": report.few_kept}
    about = {"out": str(out), "scale": student.scale, **judged, **report.to_json()}
    typer.echo(json.dumps(about) if as_json else f"{report}: {out}")
    if report.refuses:
        typer.echo(f"ucl: {report.warning()}", err=True)


@index_app.command(short_help="Candidates as an index, or as vectors in Parquet.")
def build(
    student: StudentFile,
    c: Annotated[str, typer.Argument(metavar="C", help=f"Candidates. {FILES} Ids of the file are kept.")],
    out: Annotated[Path, typer.Option(help="A folder: an index for `ucl search`; FILE.parquet: vectors.")],
    side: Annotated[str, typer.Option(help="Whose vectors a .parquet gets: c or a.")] = "c",
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Only the I-th of N parts of C, as 3/16; `ucl search` takes all of them."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Embed candidates and index them, or write their vectors as Parquet (id, vector; the scale in the metadata).

    With --shard it reads and indexes one part of the candidates; `ucl search` wants all parts.

    Example: ucl index build s.safetensors c.parquet --out index/
    """
    from ucl.cli import inputs
    from ucl.cli.paths import check_apart
    from ucl.core.readers import as_rows
    from ucl.distilled.student import Student
    from ucl.distilled.vectors import write_vectors
    from ucl.errors import InputError

    check_apart(out, student, c)
    if side not in ("a", "c") or (side == "a" and out.suffix != ".parquet"):
        raise InputError(f"--side must be c, or a where a .parquet is written: got {side} for {out}")
    number = inputs.shard(shard)
    if number is not None and out.suffix == ".parquet":
        raise InputError(f"--shard is of an index: got {out}, a table of vectors; name a folder, or leave --shard out")
    loaded, rows = Student.load(student), as_rows(c, "c")
    vectors = len(rows)
    if out.suffix == ".parquet":
        write_vectors(loaded, side, rows, out)
    else:
        index = loaded.index(rows, shard=number)
        index.save(out)
        vectors = len(index)
    about = {"vectors": vectors, "width": loaded.width, "scale": loaded.scale, "out": str(out)}
    about |= {} if number is None else {"shard": inputs.shard_name(number)}
    part = "" if number is None else f", shard {inputs.shard_name(number)} of {len(rows)}"
    typer.echo(json.dumps(about) if as_json else f"{vectors} vectors of width {loaded.width}{part}: {out}")
