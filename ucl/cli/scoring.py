"""The commands `ucl score`, `ucl retrieve` and `ucl bank build`: bridge scores from files of embeddings."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["bank_app", "retrieve", "score"]

bank_app = typer.Typer(help="Banks of the shared modality.", no_args_is_help=True)


class Kind(StrEnum):
    """The critics of `ucl.core.critics.CRITICS`, by name."""

    cosine = "cosine"
    dot = "dot"
    l2 = "l2"
    squared_l2 = "squared_l2"


FILES = "Embeddings: .npy, .npz, .safetensors or .parquet, a row per sample; FILE:NAME picks one of several arrays."
Queries = Annotated[str, typer.Argument(metavar="A", help=f"Queries. {FILES}")]
Answers = Annotated[str, typer.Argument(metavar="C", help="Candidates, likewise.")]
BankFile = Annotated[
    str, typer.Option("--bank", help="B as the A-B model embeds it, or a folder that `ucl bank build` made.")
]
BankForC = Annotated[str | None, typer.Option(help="The same samples as the B-C model embeds them; omit if shared.")]
AB = Annotated[Kind, typer.Option("--ab", help="Critic of the A-B model.")]
BC = Annotated[Kind, typer.Option("--bc", help="Critic of the B-C model.")]
ScaleAB = Annotated[
    float, typer.Option("--ab-scale", help="Scale (inverse temperature) the A-B critic was trained with.")
]
ScaleBC = Annotated[float, typer.Option("--bc-scale", help="Scale the B-C critic was trained with.")]
Normalize = Annotated[bool, typer.Option("--normalize", help="Normalise each critic per anchor over the bank.")]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, cuda:1, ...")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Progress = Annotated[bool, typer.Option("--progress/--no-progress", help="Show a progress bar for long work.")]


def score(
    a: Queries,
    c: Answers,
    bank: BankFile,
    ab_scale: ScaleAB,
    bc_scale: ScaleBC,
    out: Annotated[Path, typer.Option(help="Where to write: .npz, .npy (scores alone), .safetensors or .parquet.")],
    bank_for_c: BankForC = None,
    ab: AB = Kind.cosine,
    bc: BC = Kind.cosine,
    normalize: Normalize = False,
    device: Device = "cpu",
    as_json: Json = False,
    progress: Progress = True,
) -> None:
    """Score every row of A against every row of C; write scores, standard errors and effective sample sizes.

    Example: ucl score a.npy c.npy --bank b1.npy --bank-for-c b2.npy --ab-scale 100 --bc-scale 18.6 --out s.npz
    """
    from ucl.cli import inputs, outputs
    from ucl.cli.paths import check_apart
    from ucl.files import replacing

    outputs.check_suffix(out)
    check_apart(out, a, c, bank, bank_for_c)
    bridge = inputs.bridge(ab, ab_scale, bc, bc_scale, bank, bank_for_c, normalize)
    queries, candidates = inputs.rows(a, "a"), inputs.rows(c, "c")
    outputs.check_grid(len(queries), len(candidates))
    with replacing(out) as temporary:  # opened first: a place that cannot be written to is told before the work
        result = bridge.score(inputs.load(queries, device), inputs.load(candidates, device), progress=progress)
        outputs.write(result, temporary, out)
    n, k, size = len(queries), len(candidates), len(bridge.bank)
    about = {"queries": n, "candidates": k, "bank": size, "recomputed": result.recomputed, "out": str(out)}
    text = f"{n} x {k} scores over a bank of {size} samples, {result.recomputed} recomputed: {out}"
    typer.echo(json.dumps(about) if as_json else text)


def retrieve(
    a: Queries,
    c: Answers,
    bank: BankFile,
    ab_scale: ScaleAB,
    bc_scale: ScaleBC,
    k: Annotated[int, typer.Option("-k", help="How many candidates per query.")] = 10,
    bank_for_c: BankForC = None,
    ab: AB = Kind.cosine,
    bc: BC = Kind.cosine,
    normalize: Normalize = False,
    device: Device = "cpu",
    as_json: Json = False,
    progress: Progress = True,
) -> None:
    """The best rows of C for every row of A.

    Example: ucl retrieve a.npy c.npy --bank b.npy --ab-scale 100 --bc-scale 18.6 -k 5 --json
    """
    from ucl.cli import inputs

    bridge = inputs.bridge(ab, ab_scale, bc, bc_scale, bank, bank_for_c, normalize)
    queries, candidates = (inputs.load(inputs.rows(file, name), device) for file, name in ((a, "a"), (c, "c")))
    found = bridge.retrieve(queries, candidates, k=k, progress=progress)
    for query, (indices, scores) in enumerate(zip(found.indices.tolist(), found.scores.tolist(), strict=True)):
        pairs = zip(indices, scores, strict=True)
        text = f"{query}\t" + "\t".join(f"{index}:{value:.4f}" for index, value in pairs)
        typer.echo(json.dumps({"query": query, "candidates": indices, "scores": scores}) if as_json else text)


@bank_app.command()
def build(
    for_a: Annotated[str, typer.Argument(help=f"B as the A-B model embeds it. {FILES}")],
    out: Annotated[Path, typer.Option(help="Folder to write; a bank that is there is replaced.")],
    ab_scale: ScaleAB,
    bc_scale: ScaleBC,
    for_c: Annotated[str | None, typer.Argument(help="The same samples as the B-C model embeds them.")] = None,
    ab: AB = Kind.cosine,
    bc: BC = Kind.cosine,
    as_json: Json = False,
    progress: Progress = True,
) -> None:
    """Prepare a bank once: rows of norm one (cosine), in tight blocks, in a folder that is mapped into memory.

    Example: ucl bank build b1.parquet b2.parquet --ab-scale 100 --bc-scale 18.6 --out bank/
    """
    from ucl.cli import inputs, outputs
    from ucl.cli.paths import check_apart
    from ucl.core.bank import Bank

    check_apart(out, for_a, for_c)
    critics = inputs.critic(ab, ab_scale, "ab"), inputs.critic(bc, bc_scale, "bc")
    given = Bank(for_a, for_c)
    with outputs.telling(out):
        bank = given.prepare(*critics, out, progress=progress)
    about = {"samples": len(bank), "blocks": len(bank.cuts or []), "shared": bank.shared, "out": str(out)}
    typer.echo(json.dumps(about) if as_json else f"{len(bank)} samples in {len(bank.cuts or [])} tight blocks: {out}")
