"""The command `ucl`: bridge scores from files of embeddings."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import typer

from ucl.cli.maze import maze_app
from ucl.cli.workflow import params, track
from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.core.critics import CRITICS, Critic
from ucl.core.readers import as_rows
from ucl.errors import InputError
from ucl.files import replacing, write_parquet
from ucl.tensors import write_tensors

__all__ = ["app", "main"]

FILES = "Embeddings: .npy, .npz, .safetensors or .parquet, a row per sample; FILE:NAME picks one of several arrays."
EXAMPLE = "\n\nExample: `{}`"

app = typer.Typer(
    help="Score pairs of modalities that were never trained together.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
bank_app = typer.Typer(help="Banks of the shared modality.", no_args_is_help=True)
app.add_typer(bank_app, name="bank")
app.add_typer(maze_app, name="maze")
app.command()(params)
app.command()(track)


class Kind(StrEnum):
    """The critics of `ucl.core.critics.CRITICS`, by name."""

    cosine = "cosine"
    dot = "dot"
    l2 = "l2"
    squared_l2 = "squared_l2"


Queries = Annotated[str, typer.Argument(metavar="A", help=f"Queries. {FILES}")]
Answers = Annotated[str, typer.Argument(metavar="C", help="Candidates, likewise.")]
BankFile = Annotated[
    str, typer.Option("--bank", help="B as the A-B model embeds it, or a folder `ucl bank build` made.")
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


@app.command(
    help="Score every row of A against every row of C; write scores, standard errors and effective sample sizes."
    + EXAMPLE.format(
        "ucl score a.npy c.npy --bank b1.npy --bank-for-c b2.npy --ab-scale 100 --bc-scale 18.6 --out s.npz"
    )
)
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
    if out.suffix not in WRITERS:
        raise InputError(f"--out must end in {', '.join(WRITERS)}: got {out}")
    bridge = Bridge(
        _critic(ab, ab_scale, "ab"), _critic(bc, bc_scale, "bc"), _bank(bank, bank_for_c), normalize=normalize
    )
    result = bridge.score(_load(a, "a", device), _load(c, "c", device), progress=progress)
    grids = {"scores": result.scores}
    if out.suffix != ".npy":
        grids |= {"standard_error": result.standard_error, "effective_sample_size": result.effective_sample_size}
    WRITERS[out.suffix]({name: grid.cpu() for name, grid in grids.items()}, out)
    n, k = result.scores.shape
    about = {"queries": n, "candidates": k, "bank": len(bridge.bank), "recomputed": result.recomputed, "out": str(out)}
    text = f"{n} x {k} scores over a bank of {len(bridge.bank)} samples, {result.recomputed} recomputed: {out}"
    print(json.dumps(about) if as_json else text)


@app.command(
    help="The best rows of C for every row of A."
    + EXAMPLE.format("ucl retrieve a.npy c.npy --bank b.npy --ab-scale 100 --bc-scale 18.6 -k 5 --json")
)
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
    bridge = Bridge(
        _critic(ab, ab_scale, "ab"), _critic(bc, bc_scale, "bc"), _bank(bank, bank_for_c), normalize=normalize
    )
    found = bridge.retrieve(_load(a, "a", device), _load(c, "c", device), k=k, progress=progress)
    for query, (indices, scores) in enumerate(zip(found.indices.tolist(), found.scores.tolist(), strict=True)):
        if as_json:
            print(json.dumps({"query": query, "candidates": indices, "scores": scores}))
        else:
            print(f"{query}\t" + "\t".join(f"{i}:{s:.4f}" for i, s in zip(indices, scores, strict=True)))


@bank_app.command(
    help="Prepare a bank once: rows of norm one (cosine), clustered into tight blocks, in a folder that is mapped into "
    "memory when used."
    + EXAMPLE.format("ucl bank build b1.parquet b2.parquet --ab-scale 100 --bc-scale 18.6 --out bank/")
)
def build(
    for_a: Annotated[str, typer.Argument(help=f"B as the A-B model embeds it. {FILES}")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    ab_scale: ScaleAB,
    bc_scale: ScaleBC,
    for_c: Annotated[str | None, typer.Argument(help="The same samples as the B-C model embeds them.")] = None,
    ab: AB = Kind.cosine,
    bc: BC = Kind.cosine,
    as_json: Json = False,
    progress: Progress = True,
) -> None:
    bank = Bank(for_a, for_c).prepare(_critic(ab, ab_scale, "ab"), _critic(bc, bc_scale, "bc"), out, progress=progress)
    about = {"samples": len(bank), "blocks": len(bank.cuts or []), "shared": bank.shared, "out": str(out)}
    print(json.dumps(about) if as_json else f"{len(bank)} samples in {len(bank.cuts or [])} tight blocks: {out}")


def main() -> None:
    """Run the command; wrong input is one line and exit code 2."""
    try:
        app()
    except InputError as error:
        print(f"ucl: {error}", file=sys.stderr)
        sys.exit(2)


def _critic(kind: Kind, scale: float, side: str) -> Critic:
    if not 0 < scale < float("inf"):
        raise InputError(f"--{side}-scale must be positive and finite: got {scale}; give exp(logit_scale) of the model")
    return CRITICS[kind.value](scale)


def _bank(source: str, for_c: str | None) -> Bank:
    if Path(source).is_dir():
        if for_c is not None:
            raise InputError(f"{source} is a prepared bank and holds both embeddings: leave out --bank-for-c")
        return Bank.load(source)
    return Bank(source, for_c)


def _load(source: str, name: str, device: str) -> torch.Tensor:
    rows = as_rows(source, name)
    try:
        return rows.read(0, len(rows)).to(device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device {device}: {str(error).splitlines()[0]}; use --device cpu") from None


def _write_npz(grids: dict[str, torch.Tensor], path: Path) -> None:
    with replacing(path) as temporary:
        np.savez(temporary, **{name: grid.numpy() for name, grid in grids.items()})


def _write_npy(grids: dict[str, torch.Tensor], path: Path) -> None:
    with replacing(path) as temporary:
        np.save(temporary, grids["scores"].numpy(), allow_pickle=False)


def _write_table(grids: dict[str, torch.Tensor], path: Path) -> None:
    n, k = grids["scores"].shape
    pairs = {"query": np.repeat(np.arange(n), k), "candidate": np.tile(np.arange(k), n)}
    write_parquet(pd.DataFrame(pairs | {name: grid.flatten().numpy() for name, grid in grids.items()}), path)


WRITERS = {".npz": _write_npz, ".npy": _write_npy, ".safetensors": write_tensors, ".parquet": _write_table}
