"""The commands `ucl distill`, `ucl index build` and `ucl search`: a bridge as two small maps and an index."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ucl.cli.options import AB, BC, FILES, BankFile, BankForC, Device, Json, Normalize, Progress, ScaleAB, ScaleBC

__all__ = ["distill", "index_app", "search"]

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
    import warnings

    from ucl.cli import inputs
    from ucl.cli.paths import check_apart
    from ucl.distilled.distil import distill as distil
    from ucl.distilled.report import WeakStudentWarning
    from ucl.distilled.training import Settings
    from ucl.errors import InputError
    from ucl.files import replacing

    if out.suffix != ".safetensors":
        raise InputError(f"--out must end in .safetensors: got {out}")
    check_apart(out, a, c, bank, bank_for_c)
    bridge = inputs.bridge(ab, ab_scale, bc, bc_scale, bank, bank_for_c, False)
    samples = [inputs.load(inputs.rows(file, name), device) for file, name in ((a, "a"), (c, "c"))]
    settings = Settings(steps=steps)
    with replacing(out) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", WeakStudentWarning)  # told below
        student = distil(bridge, *samples, width=width, hidden=hidden, seed=seed, settings=settings, progress=progress)
        student.save(temporary)
    about = {"out": str(out), "scale": student.scale, "weak": student.report.weak, **student.report.to_json()}
    typer.echo(json.dumps(about) if as_json else f"{student.report}: {out}")
    if student.report.weak:
        typer.echo(f"ucl: {student.report.warning()}", err=True)


@index_app.command()
def build(
    student: StudentFile,
    c: Annotated[str, typer.Argument(metavar="C", help=f"Candidates. {FILES} Ids of the file are kept.")],
    out: Annotated[Path, typer.Option(help="A folder: an index for `ucl search`; FILE.parquet: vectors.")],
    side: Annotated[str, typer.Option(help="Whose vectors a .parquet gets: c or a.")] = "c",
    as_json: Json = False,
) -> None:
    """Embed candidates and index them, or write their vectors as Parquet (id, vector; the scale in the metadata).

    Example: ucl index build s.safetensors c.parquet --out index/
    """
    from ucl.cli.paths import check_apart
    from ucl.core.readers import as_rows
    from ucl.distilled.student import Student
    from ucl.distilled.vectors import write_vectors
    from ucl.errors import InputError

    check_apart(out, student, c)
    if side not in ("a", "c") or (side == "a" and out.suffix != ".parquet"):
        raise InputError(f"--side must be c, or a where a .parquet is written: got {side} for {out}")
    loaded, rows = Student.load(student), as_rows(c, "c")
    if out.suffix == ".parquet":
        write_vectors(loaded, side, rows, out)
    else:
        loaded.index(rows).save(out)
    about = {"vectors": len(rows), "width": loaded.width, "scale": loaded.scale, "out": str(out)}
    typer.echo(json.dumps(about) if as_json else f"{len(rows)} vectors of width {loaded.width}: {out}")


def search(
    index: Annotated[Path, typer.Argument(metavar="INDEX", help="The folder that `ucl index build` wrote.")],
    a: Annotated[str, typer.Argument(metavar="A", help=f"Queries. {FILES}")],
    bank: Annotated[str | None, typer.Option(help="As for `ucl score`; left out: the student's own order.")] = None,
    ab_scale: ScaleAB = None,
    bc_scale: ScaleBC = None,
    k: Annotated[int, typer.Option("-k", help="How many candidates per query.")] = 10,
    rerank: Annotated[int, typer.Option(min=1, help="How many candidates the bridge puts in order.")] = 5000,
    bank_for_c: BankForC = None,
    ab: AB = None,
    bc: BC = None,
    normalize: Normalize = False,
    as_json: Json = False,
) -> None:
    """The best candidates of an index for every row of A: found by the student, put in order by the bridge.

    Example: ucl search index/ a.npy --bank b1.npy --bank-for-c b2.npy --ab-scale 100 --bc-scale 18.6 -k 5
    """
    from ucl.cli import inputs
    from ucl.core.readers import as_rows
    from ucl.distilled.student import Index

    bridge = None if bank is None else inputs.bridge(ab, ab_scale, bc, bc_scale, bank, bank_for_c, normalize)
    queries = as_rows(a, "a")
    names = queries.ids()
    found = Index.open(index, bridge).search(queries, k, rerank=0 if bridge is None else rerank)
    ids = found.ids if isinstance(found.ids, list) else found.ids.tolist()
    labels = range(len(queries)) if names is None else names.to_pylist()
    for label, candidates, scores in zip(labels, ids, found.scores.tolist(), strict=True):
        pairs = zip(candidates, scores, strict=True)
        text = f"{label}\t" + "\t".join(f"{name}:{value:.4f}" for name, value in pairs)
        typer.echo(json.dumps({"query": label, "candidates": candidates, "scores": scores}) if as_json else text)
