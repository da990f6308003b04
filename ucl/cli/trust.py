"""The commands `ucl check`, `ucl calibrate`, `ucl diagnose`: is a bank sound, which scale, and which way to bridge?"""

import json
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ucl.cli.options import AB, BC, FILES, Answers, BankFile, BankForC, Json, Kind, Progress, Queries, ScaleAB, ScaleBC

__all__ = ["calibrate", "check", "diagnose"]

Pair = tuple[str, str] | None
Triplet = tuple[str, str, str] | None


def check(
    for_a: Annotated[str, typer.Argument(help=f"B as the A-B model embeds it, or a prepared bank's folder. {FILES}")],
    for_c: Annotated[str | None, typer.Argument(help="The same samples as the B-C model embeds them.")] = None,
    ab_scale: ScaleAB = None,
    bc_scale: ScaleBC = None,
    ab: AB = None,
    bc: BC = None,
    queries_a: Annotated[str | None, typer.Option(help="Queries A: does the bank cover them?")] = None,
    queries_c: Annotated[str | None, typer.Option(help="Candidates C, likewise.")] = None,
    pairs_ab: Annotated[Pair, typer.Option(help="Known pairs of A and B as that model embeds them.")] = None,
    pairs_bc: Annotated[Pair, typer.Option(help="Known pairs of B and C as that model embeds them.")] = None,
    texts: Annotated[Path | None, typer.Option(help="The texts of the bank, one a line.")] = None,
    cut_texts: Annotated[Path | None, typer.Option(help="The texts as the models saw them, one a line.")] = None,
    as_json: Json = False,
) -> None:
    """Is this bank what you think it is? Exit code 1 where something is wrong.

    Example: ucl check b1.npy b2.npy --ab-scale 100 --bc-scale 18.6
    """
    from ucl.cli import inputs
    from ucl.trust.check import check as check_bank

    bank = inputs.bank(for_a, for_c)
    queries = [None if file is None else inputs.rows(file, name) for file, name in ((queries_a, "a"), (queries_c, "c"))]
    critics = inputs.critics(bank, ab, ab_scale, bc, bc_scale, *queries)
    lines = [
        None if path is None else inputs.lines(path, name)
        for path, name in ((texts, "texts"), (cut_texts, "cut-texts"))
    ]
    found = check_bank(
        bank,
        *critics,
        queries_a=queries[0],
        queries_c=queries[1],
        pairs_ab=pairs_ab,
        pairs_bc=pairs_bc,
        texts=lines[0],
        cut_texts=lines[1],
    )
    typer.echo(found.to_json() if as_json else str(found))
    if found.level == "error":
        raise typer.Exit(1)


def calibrate(
    x: Annotated[str, typer.Argument(help=f"One side of known pairs. {FILES}")],
    y: Annotated[str, typer.Argument(help="The other side, row by row, of the same model.")],
    critic: Annotated[Kind, typer.Option(help="Critic of the model.")] = Kind.cosine,
    as_json: Json = False,
) -> None:
    """The scale of a critic that known pairs ask for, with its 95 % interval, by InfoNCE.

    Example: ucl calibrate images.npy captions.npy
    """
    from ucl.trust.calibrate import calibrate as fit

    found = fit(x, y, str(critic))
    numbers = {k: None if v == float("inf") else v for k, v in asdict(found).items()} | {"doubt": found.doubt}
    typer.echo(json.dumps(numbers, allow_nan=False) if as_json else str(found))


def diagnose(
    a: Queries,
    c: Answers,
    bank: BankFile,
    ab_scale: ScaleAB = None,
    bc_scale: ScaleBC = None,
    bank_for_c: BankForC = None,
    ab: AB = None,
    bc: BC = None,
    pairs_ab: Annotated[
        Triplet, typer.Option(help="Held-out pairs: A, and their B as the A-B and as the B-C model embed it.")
    ] = None,
    pairs_bc: Annotated[Triplet, typer.Option(help="Held-out pairs: C, and their B, likewise.")] = None,
    pairs_ac: Annotated[Pair, typer.Option(help="Known pairs of A and C, row by row.")] = None,
    among: Annotated[int | None, typer.Option(help="Candidates that a query has; all of C if not given.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the plots behind the verdict to this page.")] = None,
    as_json: Json = False,
    progress: Progress = True,
) -> None:
    """Direct comparison, which bridge, or neither? Predicted without a pair of A and C.

    Example: ucl diagnose a.npy c.npy --bank b1.npy --bank-for-c b2.npy --ab-scale 100 --bc-scale 18.6
    """
    from ucl.cli import inputs
    from ucl.cli.paths import check_apart
    from ucl.files import replacing
    from ucl.trust.diagnose import diagnose as run
    from ucl.trust.page import write_page

    if html is not None:
        check_apart(html, a, c, bank, bank_for_c, *(pairs_ab or ()), *(pairs_bc or ()), *(pairs_ac or ()))
    rows = inputs.rows(a, "a"), inputs.rows(c, "c")
    bridge = inputs.bridge(ab, ab_scale, bc, bc_scale, bank, bank_for_c, False, *rows)
    with replacing(html) if html else nullcontext() as page:  # opened before the minute's work
        found = run(
            bridge, *rows, pairs_ab=pairs_ab, pairs_bc=pairs_bc, pairs_ac=pairs_ac, among=among, progress=progress
        )
        if page is not None:
            write_page(found, page)
    typer.echo(found.to_json() if as_json else str(found))
