"""Arguments and options that several commands take."""

from enum import StrEnum
from typing import Annotated

import typer

__all__ = [
    "AB", "BC", "FILES", "Answers", "BankFile", "BankForC", "Device", "Json", "Kind", "Normalize", "Progress",
    "Queries", "ScaleAB", "ScaleBC", "Shard",
]  # fmt: skip


class Kind(StrEnum):
    """The critics of `ucl.core.critics.CRITICS`, by name."""

    cosine = "cosine"
    dot = "dot"
    l2 = "l2"
    squared_l2 = "squared_l2"


FILES = (
    "Embeddings: .npy, .npz, .safetensors or .parquet, a row per sample; FILE:NAME picks one of several arrays; `id` "
    "in a file (an array, a tensor, a column) names its rows."
)
Queries = Annotated[str, typer.Argument(metavar="A", help=f"Queries. {FILES}")]
Answers = Annotated[str, typer.Argument(metavar="C", help="Candidates, likewise.")]
BankFile = Annotated[
    str, typer.Option("--bank", help="B as the A-B model embeds it, or a folder that `ucl bank build` made.")
]
BankForC = Annotated[str | None, typer.Option(help="The same samples as the B-C model embeds them; omit if shared.")]
AB = Annotated[Kind | None, typer.Option("--ab", help="Critic of the A-B model; cosine, or a built bank's own.")]
BC = Annotated[Kind | None, typer.Option("--bc", help="Critic of the B-C model, likewise.")]
ScaleAB = Annotated[
    float | None,
    typer.Option("--ab-scale", help="Scale (inverse temperature) the A-B critic was trained with; a built bank knows."),
]
ScaleBC = Annotated[float | None, typer.Option("--bc-scale", help="Scale the B-C critic was trained with, likewise.")]
Normalize = Annotated[
    bool, typer.Option("--normalize/--no-normalize", help="Normalise each critic per anchor over the bank.")
]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, cuda:1, ...")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Progress = Annotated[bool, typer.Option("--progress/--no-progress", help="Show a progress bar for long work.")]
Shard = Annotated[
    str | None, typer.Option(metavar="I/N", help="Only the I-th of N parts of the bank, as 3/16; then `ucl merge`.")
]
