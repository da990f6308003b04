"""The commands `ucl score`, `ucl merge`, `ucl retrieve`, `ucl explain`, `ucl bank build`: scores from embeddings."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from ucl.cli.options import (
    AB,
    BC,
    FILES,
    Answers,
    BankFile,
    BankForC,
    Device,
    Json,
    Normalize,
    Progress,
    Queries,
    ScaleAB,
    ScaleBC,
    Shard,
)
from ucl.errors import InputError

__all__ = ["bank_app", "explain", "merge", "retrieve", "score"]

bank_app = typer.Typer(help="Banks of the shared modality.", no_args_is_help=True)
Out = Annotated[Path, typer.Option(help="Where to write: .npz, .npy (scores alone), .safetensors or .parquet.")]
Errors = Annotated[
    bool | None,
    typer.Option(
        "--errors/--no-errors",
        help="Write also standard errors and effective sample sizes; by default of a whole bank, not of a shard.",
        show_default=False,
    ),
]


def score(
    a: Queries,
    c: Answers,
    bank: BankFile,
    out: Out,
    ab_scale: ScaleAB = None,
    bc_scale: ScaleBC = None,
    bank_for_c: BankForC = None,
    ab: AB = None,
    bc: BC = None,
    normalize: Normalize = True,
    errors: Errors = None,
    reliable: Annotated[bool, typer.Option("--reliable", help="Write also which scores are reliable.")] = False,
    shard: Shard = None,
    device: Device = "cpu",
    as_json: Json = False,
    progress: Progress = True,
) -> None:
    """Score every row of A against every row of C; write scores, standard errors and effective sample sizes.

    Example: ucl score a.npy c.npy --bank b1.npy --bank-for-c b2.npy --ab-scale 100 --bc-scale 18.6 --out s.npz
    """
    from ucl.cli import answers, inputs, outputs
    from ucl.cli.paths import check_apart
    from ucl.core.parts import score_part
    from ucl.files import replacing

    number = inputs.shard(shard)
    _check_out(out, number is not None, bool(errors), reliable)
    check_apart(out, a, c, bank, bank_for_c)
    queries, candidates = inputs.rows(a, "a"), inputs.rows(c, "c")
    bridge = inputs.bridge(ab, ab_scale, bc, bc_scale, bank, bank_for_c, normalize, queries, candidates, number)
    n, k, size, ids = len(queries), len(candidates), len(bridge.bank), (queries.ids(), candidates.ids())
    if number is None:
        outputs.check_grid(n, k, "score with --shard 1/1 and merge, which work in tiles, or use `ucl retrieve`")
    with replacing(out) as temporary, answers.told():  # opened first: a place that cannot be written to is told at once
        rows = inputs.load(queries, device), inputs.load(candidates, device)
        if number is not None:
            extra = outputs.packed(ids)
            with outputs.telling(out):
                recomputed = score_part(bridge, *rows, temporary, errors=errors is True, extra=extra, progress=progress)
        else:
            result = bridge.score(*rows, progress=progress)
            outputs.write([result], n, temporary, out, ids, errors=errors is not False, reliable=reliable)
            recomputed = result.recomputed
    about = {"queries": n, "candidates": k, "bank": size, "recomputed": recomputed, "out": str(out)}
    about |= {} if number is None else {"shard": inputs.shard_name(number)}
    over = "a bank" if number is None else f"shard {inputs.shard_name(number)} of a bank:"
    text = f"{n} x {k} scores over {over} of {size} samples, {recomputed} recomputed: {out}"
    typer.echo(json.dumps(about) if as_json else text)


def _check_out(out: Path, sharded: bool, errors: bool, reliable: bool) -> None:
    """Raise where the file that is to be written cannot hold what is asked for."""
    from ucl.cli import outputs

    outputs.check_suffix(out, *([".safetensors"] if sharded else []))
    if sharded and reliable:
        raise InputError("--reliable needs the whole bank at once: leave it out, or --shard")
    if out.suffix == ".npy" and (errors or reliable):
        raise InputError(f"{out} would hold scores alone: leave out --errors and --reliable, or write .npz or .parquet")


def merge(
    parts: Annotated[list[Path], typer.Argument(help="What `ucl score --shard` wrote, of all shards of one bank.")],
    out: Annotated[Path, typer.Option(help="Where to write: .parquet, .npy (scores alone), .safetensors or .npz.")],
    as_json: Json = False,
    progress: Progress = True,
) -> None:
    """Scores over the whole bank from those over its shards, in tiles: the grid may be larger than memory (not .npz).

    With standard errors and effective sample sizes where all parts hold them (`ucl score --shard 3/16 --errors`).

    Example: ucl merge part-*.safetensors --out scores.parquet
    """
    from ucl.cli import answers, outputs
    from ucl.cli.paths import check_apart
    from ucl.core.parts import Parts
    from ucl.files import replacing

    outputs.check_suffix(out)
    check_apart(out, *parts)
    whole = Parts(parts)
    n, k = whole.shape
    if out.suffix == ".npz":
        outputs.check_grid(n, k, "write .parquet, .npy or .safetensors, which take tiles")
    query, candidate = (outputs.unpacked(whole.bytes(f"{side}_id")) for side in outputs.SIDES)
    with replacing(out) as temporary, answers.told():
        outputs.write(whole.tiles(progress), n, temporary, out, (query, candidate), errors=whole.errors)
    about = {"queries": n, "candidates": k, "bank": whole.bank_size, "parts": len(parts), "errors": whole.errors}
    text = f"{n} x {k} scores over a bank of {whole.bank_size} samples from {len(parts)} parts: {out}"
    typer.echo(json.dumps(about | {"recomputed": whole.recomputed, "out": str(out)}) if as_json else text)


def retrieve(
    a: Queries,
    c: Answers,
    bank: BankFile,
    ab_scale: ScaleAB = None,
    bc_scale: ScaleBC = None,
    k: Annotated[int, typer.Option("-k", help="How many candidates per query.")] = 10,
    out: Annotated[Path | None, typer.Option(help="Write the answers to .parquet or .csv instead.")] = None,
    bank_for_c: BankForC = None,
    ab: AB = None,
    bc: BC = None,
    normalize: Normalize = True,
    device: Device = "cpu",
    as_json: Json = False,
    progress: Progress = True,
) -> None:
    """The best rows of C for every row of A, by their ids where the files have them, and what the scores are worth.

    Example: ucl retrieve a.npy c.npy --bank b.npy --ab-scale 100 --bc-scale 18.6 -k 5 --json
    """
    from ucl.cli import answers, inputs
    from ucl.cli.outputs import telling
    from ucl.cli.paths import check_apart
    from ucl.files import replacing

    if out is not None:
        answers.check_suffix(out)
        check_apart(out, a, c, bank, bank_for_c)
    queries, candidates = inputs.rows(a, "a"), inputs.rows(c, "c")
    bridge = inputs.bridge(ab, ab_scale, bc, bc_scale, bank, bank_for_c, normalize, queries, candidates)
    named = inputs.names(queries), inputs.names(candidates)
    with replacing(out) if out else nullcontext() as temporary:
        with answers.told():
            rows = inputs.load(queries, device), inputs.load(candidates, device)
            found = bridge.retrieve(*rows, k=k, progress=progress).cpu()
        if out is not None and temporary is not None:
            with telling(out):
                answers.write(answers.table(found, *named), temporary, out)
    if out is None:
        for line in answers.lines(found, *named, as_json):
            typer.echo(line)
        return
    about = {"queries": len(queries), "k": k, "reliable": float(found.reliable.double().mean()), "out": str(out)}
    text = f"the best {k} of {len(candidates)} candidates for {len(queries)} queries, "
    text += f"{about['reliable']:.0%} of answers reliable: {out}"
    typer.echo(json.dumps(about) if as_json else text)


def explain(
    a_id: Annotated[str, typer.Argument(metavar="A-ID", help="The query: its id, or its row where there are no ids.")],
    c_id: Annotated[str, typer.Argument(metavar="C-ID", help="The candidate, likewise.")],
    a: Queries,
    c: Answers,
    bank: BankFile,
    ab_scale: ScaleAB = None,
    bc_scale: ScaleBC = None,
    top: Annotated[int, typer.Option(help="How many samples of the bank to show.")] = 10,
    bank_for_c: BankForC = None,
    ab: AB = None,
    bc: BC = None,
    as_json: Json = False,
) -> None:
    """Why a pair matches: the samples of the bank that carry its score, with their share and both critics' scores.

    Example: ucl explain dog.jpg bark.wav images.parquet sounds.parquet --bank bank/
    """
    from ucl.cli import inputs

    queries, candidates = inputs.rows(a, "a"), inputs.rows(c, "c")
    bridge = inputs.bridge(ab, ab_scale, bc, bc_scale, bank, bank_for_c, False, queries, candidates)
    i, j = inputs.row_of(queries, a_id), inputs.row_of(candidates, c_id)
    found = bridge.explain(queries.read(i, i + 1), candidates.read(j, j + 1), min(top, len(bridge.bank)))
    shown = zip(found.names, found.shares, found.scores_ab, found.scores_bc, strict=True)
    keys = ("sample", "share", "score_ab", "score_bc")
    samples = [dict(zip(keys, values, strict=True)) for values in shown]
    if as_json:
        typer.echo(json.dumps({"query": a_id, "candidate": c_id, "score": found.score, "samples": samples}))
        return
    typer.echo(f"{a_id} and {c_id}: score {found.score:.4f}, not normalised; {sum(found.shares):.1%} of it from")
    for one in samples:
        typer.echo(f"{one['share']:7.2%}  f_AB {one['score_ab']:9.4f}  f_BC {one['score_bc']:9.4f}  {one['sample']}")


@bank_app.command(short_help="Prepare a bank once, with its critics and scales.")
def build(
    for_a: Annotated[str, typer.Argument(help=f"B as the A-B model embeds it. {FILES}")],
    out: Annotated[Path, typer.Option(help="Folder to write; a bank that is there is replaced.")],
    for_c: Annotated[str | None, typer.Argument(help="The same samples as the B-C model embeds them.")] = None,
    ab_scale: ScaleAB = None,
    bc_scale: ScaleBC = None,
    ab: AB = None,
    bc: BC = None,
    shard: Shard = None,
    as_json: Json = False,
    progress: Progress = True,
) -> None:
    """Prepare a bank once: rows of norm one (cosine), in tight blocks, in a folder that is mapped into memory.

    It keeps its samples' ids, its critics and their scales, which need not be given again. With --shard the folder is
    one part of the bank, for `ucl score --shard`.

    Example: ucl bank build b1.parquet b2.parquet --ab-scale 100 --bc-scale 18.6 --out bank/
    """
    from ucl.cli import inputs, outputs
    from ucl.cli.paths import check_apart
    from ucl.core.bank import Bank

    check_apart(out, for_a, for_c)
    number, given = inputs.shard(shard), Bank(for_a, for_c)
    critics = inputs.critics(given, ab, ab_scale, bc, bc_scale)
    given = given if number is None else given.shard(*number)
    with outputs.telling(out):
        bank = given.prepare(*critics, out, progress=progress)
    about = {"samples": len(bank), "blocks": len(bank.cuts or []), "shared": bank.shared, "out": str(out)}
    typer.echo(json.dumps(about) if as_json else f"{len(bank)} samples in {len(bank.cuts or [])} tight blocks: {out}")
