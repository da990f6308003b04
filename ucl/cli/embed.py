"""The command `ucl embed`: a folder of pictures or sounds, or a file of texts, as an embedding store."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ucl.cli.options import Device, Json, Progress

__all__ = ["embed"]

TOLD = 5  # failures that are told at once


def embed(
    source: Annotated[
        Path,
        typer.Argument(
            help="A folder of pictures or sounds, or texts: a .txt (one a line), a .csv (column `text` or `caption`)."
        ),
    ],
    model: Annotated[str, typer.Option(help="LIBRARY:MODEL:WEIGHTS, by the names that params.yaml has for `media`.")],
    out: Annotated[
        Path, typer.Option(help="Where to write the store: .parquet. One that is there is brought up to date.")
    ],
    device: Device = "cpu",
    as_json: Json = False,
    progress: Progress = True,
) -> None:
    """Embed what is in a folder, or texts; ids are paths in the folder, or the texts. Stopped, it goes on where it was.

    The store knows its model, its weights and their scale: no command asks for a scale of it.

    Example: ucl embed photos/ --model open_clip:ViT-B-32:laion2b_s34b_b79k --out photos.parquet
    """
    from ucl.cli.answers import shown
    from ucl.cli.inputs import device_of
    from ucl.errors import InputError
    from ucl.media.collection import NAMES, read_collection
    from ucl.media.encoders import load_encoders
    from ucl.media.model_name import ModelName
    from ucl.media.update import failures_of, update_store

    if out.suffix != ".parquet":
        raise InputError(f"--out must end in .parquet: got {out}")
    name = ModelName.parse(model)
    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    encoders = load_encoders(name.library, name.model, name.weights, device_of(device))
    collection = read_collection(source, encoders.keys(), model)
    done = update_store(encoders[collection.modality], collection, str(name), out, progress=progress)
    failed = done.failures
    for path, reason in failed[["path", "reason"]].head(TOLD).itertuples(index=False):
        typer.echo(f"ucl: left out: {shown(path)}: {reason}", err=True)
    about = {"rows": done.rows, "embedded": done.embedded, "failed": len(failed), "out": str(out)}
    about |= {"left_out": dict(collection.left_out)}
    text = f"{done.rows} {NAMES[collection.modality]}, {done.embedded} of them embedded now: {out}"
    if len(failed):
        text += f"; {len(failed)} could not be read: {failures_of(out)}"
    if collection.left_out:
        text += f"; left out: {', '.join(f'{what} ({count})' for what, count in collection.left_out.items())}"
    typer.echo(json.dumps(about) if as_json else text)
