"""The command `ucl search`: answers to pictures, sounds and texts, or to embeddings where an index was built."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ucl.cli.options import AB, BC, BankForC, Device, Json, Progress, ScaleAB, ScaleBC

if TYPE_CHECKING:
    from ucl.core.bank import Bank
    from ucl.core.bridge import Bridge
    from ucl.core.readers import Rows
    from ucl.media.search import Queries

__all__ = ["search"]


Query = Annotated[
    str,
    typer.Argument(
        metavar="QUERY",
        help="A picture, a sound, a folder of them, or a .txt of texts, a line each; for an index also embeddings.",
    ),
]
Candidates = Annotated[
    list[str],
    typer.Option(
        help="What `ucl embed` wrote, or the folder of an index; of one in shards the folder that holds them, or "
        "the option again for each."
    ),
]
BankOrNone = Annotated[
    str | None,
    typer.Option(help="B as the query's model embeds it, or a built bank; an index left without: its own order."),
]
Page = Annotated[Path | None, typer.Option(help="Write a page that shows and plays queries and answers.")]
Rerank = Annotated[int, typer.Option(min=1, help="How many answers of an index the bridge puts in order.")]
NormalizeOrNone = Annotated[
    bool | None,
    typer.Option(
        "--normalize/--no-normalize",
        help="Normalise each critic per anchor over the bank. Default: yes, but no for an index.",
    ),
]


def search(
    query: Query,
    candidates: Candidates,
    bank: BankOrNone = None,
    bank_for_c: BankForC = None,
    ab_scale: ScaleAB = None,
    bc_scale: ScaleBC = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many answers per query.")] = 10,
    html: Page = None,
    rerank: Rerank = 5000,
    ab: AB = None,
    bc: BC = None,
    normalize: NormalizeOrNone = None,
    device: Device = "cpu",
    as_json: Json = False,
    progress: Progress = True,
) -> None:
    """The best answers to a query, with their errors and the samples of the bank that carry them.

    The bank says which model embeds the query; scales come from the files. (Embeddings by embeddings: `ucl retrieve`.)
    Of an index it prints a line per query, candidate:score, the best first: by the bridge with --bank, else by the
    student.

    Example: ucl search bark.wav --candidates photos.parquet --bank bank/ --html answers.html
    """
    from ucl.cli import inputs
    from ucl.cli.paths import check_apart
    from ucl.core.bridge import Bridge

    indexed, embedded = all(Path(one).is_dir() for one in candidates), inputs.holds_embeddings(query)
    _check(query, candidates, bank, html, indexed, embedded)
    if bank is None:
        _check_bankless(bank_for_c=bank_for_c, ab_scale=ab_scale, bc_scale=bc_scale, ab=ab, bc=bc, normalize=normalize)
    if html is not None:
        check_apart(html, query, *candidates, bank, bank_for_c)
    built = None if bank is None else inputs.bank(bank, bank_for_c)
    known = None if indexed else inputs.rows(candidates[0], "candidates")
    if built is not None and known is not None:
        inputs.told(known, built.for_c)  # before a model is loaded
    asked = _embed(query, built, device) if built is not None and not embedded else None
    rows = inputs.rows(query, "queries") if asked is None else asked.rows
    bridge = None
    if built is not None:
        critics = inputs.critics(built, ab, ab_scale, bc, bc_scale, rows, known)
        bridge = Bridge(*critics, built, normalize=not indexed if normalize is None else normalize)
    if asked is not None and bridge is not None and known is not None:
        _from_store(asked, bridge, known, k, html, device, as_json, progress)
    else:
        names = inputs.names(rows) if asked is None else [item.name for item in asked.items]
        _from_index(candidates, bridge, rows, names, k, rerank, as_json)


def _check(
    query: str, candidates: list[str], bank: str | None, html: Path | None, indexed: bool, embedded: bool
) -> None:
    """Raise where what is given does not make a search."""
    from ucl.cli.paths import file_of
    from ucl.errors import InputError

    for one in candidates:
        if not file_of(one).exists():
            raise InputError(f"no such file or folder: {one}; expected what `ucl embed` or `ucl index build` wrote")
    if len(candidates) > 1 and not indexed:
        raise InputError(f"--candidates more than once is for the shards of an index: got {', '.join(candidates)}")
    if indexed and html is not None:
        raise InputError(f"--html needs candidates that `ucl embed` wrote: got the index {candidates[0]}")
    if embedded and not indexed:
        raise InputError(f"{query} holds embeddings: use `ucl retrieve {query} {candidates[0]} --bank ...`")
    if bank is None and not embedded:
        raise InputError(
            f"--bank is missing: it says which model embeds {query}; give texts that both models embedded (`ucl "
            "embed`), or the folder that `ucl bank build` made of them"
        )


def _check_bankless(**asked: object) -> None:
    """Raise where options of the bridge are given without its bank: the index would answer without them."""
    from ucl.errors import InputError

    given = [name.replace("_", "-") for name, value in asked.items() if value is not None]
    if given:
        raise InputError(f"--{given[0]} is of the bridge, and there is no --bank: give it, or leave --{given[0]} out")


def _embed(query: str, bank: "Bank", device: str) -> "Queries":
    """Media as queries; what of them cannot be read is told."""
    from ucl.cli.answers import shown
    from ucl.cli.inputs import device_of
    from ucl.media.search import embed_queries

    asked = embed_queries(Path(query), bank.for_a, device_of(device))
    for path, reason in asked.failures:
        typer.echo(f"ucl: left out: {shown(str(path))}: {reason}", err=True)
    return asked


def _from_store(
    asked: "Queries",
    bridge: "Bridge",
    candidates: "Rows",
    k: int,
    html: Path | None,
    device: str,
    as_json: bool,
    progress: bool,
) -> None:
    """Answers from a file of embeddings with their reasons, and as a page."""
    from ucl.cli import answers, inputs
    from ucl.files import replacing
    from ucl.media.answers_page import write_page
    from ucl.media.search import answer

    with replacing(html) if html else nullcontext() as page:  # opened before the work
        with answers.told():
            found = answer(asked, bridge, candidates, k, inputs.device_of(device), progress)
        if page is not None:
            write_page(found, page)
    names = [item.name for item in asked.items], inputs.names(candidates)
    for line in answers.lines(found.found, *names, as_json, found.because):
        typer.echo(line)
    for item in dict.fromkeys(item for row in found.items for item in row if item.note):
        typer.echo(
            f"ucl: {answers.shown(item.name)}: {item.note}; `ucl embed` brings {candidates.path} up to date", err=True
        )
    if html is not None:
        typer.echo(f"ucl: {html}: {html.stat().st_size / 1e6:.1f} MB", err=True)


def _from_index(
    index: list[str], bridge: "Bridge | None", rows: "Rows", names: list[Any], k: int, rerank: int, as_json: bool
) -> None:
    """Answers from an index: found by the student, put in order by the bridge where there is one."""
    from ucl.distilled.student import Index

    found = Index.open(index, bridge).search(rows, k, rerank=0 if bridge is None else rerank)
    ids = found.ids if isinstance(found.ids, list) else found.ids.tolist()
    for name, best, scores in zip(names, ids, found.scores.tolist(), strict=True):
        text = f"{name}\t" + "\t".join(f"{one}:{value:.4f}" for one, value in zip(best, scores, strict=True))
        typer.echo(json.dumps({"query": name, "candidates": best, "scores": scores}) if as_json else text)
