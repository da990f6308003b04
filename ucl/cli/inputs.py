"""What the command is given, as the engine takes it: rows, their ids, critics and banks."""

import re
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import torch
from torch import Tensor

from ucl.cli.paths import file_of
from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.core.critics import CRITICS, Critic
from ucl.core.encoder_info import EncoderInfo, pair_scale, parse_info
from ucl.core.prepared import shard_of
from ucl.core.readers import Rows, as_rows, check_columns
from ucl.errors import InputError, one_line

__all__ = [
    "bank", "bridge", "critic", "critics", "device_of", "holds_embeddings", "lines", "load", "moved", "names", "row_of",
    "rows", "shard", "shard_name", "told",
]  # fmt: skip


def critic(kind: str | None, scale: float | None, side: str, known: tuple[str, float] | None = None) -> Critic:
    """The critic of one side (`ab`, `bc`) with the scale it was trained with; what is not given the files know."""
    if scale is not None and not 0 < scale < float("inf"):
        raise InputError(f"--{side}-scale must be positive and finite: got {scale}; give exp(logit_scale) of the model")
    kind = str(kind or (known[0] if known else "cosine"))
    scale = known[1] if scale is None and known else scale
    if scale is None:
        raise InputError(
            f"--{side}-scale is missing: give exp(logit_scale) of the model, a bank that `ucl bank build` made, or "
            "files that `ucl embed` made"
        )
    return CRITICS[kind](scale)


def critics(
    built: Bank,
    ab: str | None,
    ab_scale: float | None,
    bc: str | None,
    bc_scale: float | None,
    a: Rows | None = None,
    c: Rows | None = None,
) -> tuple[Critic, Critic]:
    """Both critics, as the options say, the bank was built for, or the stores of `a`, `c` and the bank know.

    Options that disagree with the bank or with stores are refused, and so are stores of different models on one side.
    """
    for asked, bank in ((a, built.for_a), (c, built.for_c)):
        if asked is not None:
            check_columns(asked, bank)
    was = built.critics or (None, None)
    both = (
        _critic(a, built.for_a, ab, ab_scale, "ab", was[0]),
        _critic(c, built.for_c, bc, bc_scale, "bc", was[1]),
    )
    built.check_critics(*both)
    return both


def _critic(
    anchors: Rows | None, bank: Rows, kind: str | None, scale: float | None, side: str, was: tuple[str, float] | None
) -> Critic:
    """The critic of one side: of the options, of the bank as it was built, and of the stores, which must agree."""
    known = told(anchors, bank)
    if not known:
        return critic(kind, scale, side, was)
    info = known[0][1]
    learned = pair_scale(info, known[1][1]) if len(known) == 2 else info.logit_scale
    if learned is None:
        return critic(kind, scale, side, was)
    found = critic(kind, scale, side, was or ("cosine", learned))
    if found.name != "cosine" or abs(found.number - learned) > 1e-6 * learned:
        raise InputError(
            f"{_file(known[0][0])} is of {info.model}, which learned the cosine critic with scale {learned:g}: got "
            f"{found.name} with {found.number:g}; leave out --{side} and --{side}-scale, or build the bank again"
        )
    return found


def told(anchors: Rows | None, bank: Rows) -> list[tuple[Rows, EncoderInfo]]:
    """Those of the two files of one side that say which encoder made them.

    Raises InputError where they come from two models, from two sets of weights, or hold the same modality.
    """
    files = [rows for rows in (anchors, bank) if rows is not None]
    known = [(rows, info) for rows in files if (info := parse_info(rows.metadata, _file(rows))) is not None]
    if len(known) < 2:
        return known
    (one, first), (other, second) = known
    if (first.model, first.weights_digest) != (second.model, second.weights_digest):
        weights = " with other weights" if first.model == second.model else ""
        raise InputError(
            f"{_file(one)} is of {first.model}, {_file(other)} of {second.model}{weights}: embed both with one model, "
            "or change the sides of the bank"
        )
    if first.modality == second.modality:
        raise InputError(
            f"{_file(one)} and {_file(other)} are both of {first.modality}: expected two modalities, the bank's "
            "between the two"
        )
    return known


def _file(rows: Rows) -> str:
    return rows.path or rows.name


def bridge(
    ab: str | None,
    ab_scale: float | None,
    bc: str | None,
    bc_scale: float | None,
    source: str,
    for_c: str | None,
    normalize: bool,
    a: Rows | None = None,
    c: Rows | None = None,
    shard: tuple[int, int] | None = None,
) -> Bridge:
    """The bridge that the options and the files describe."""
    built = bank(source, for_c, shard)
    return Bridge(*critics(built, ab, ab_scale, bc, bc_scale, a, c), built, normalize=normalize)


def lines(path: Path, name: str) -> list[str]:
    """A text file's lines."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"--{name}: {path} is no text in UTF-8; write one text a line") from None


def holds_embeddings(source: str) -> bool:
    """Whether FILE or FILE:NAME is a file of embeddings by its name."""
    return file_of(source).suffix in (".npy", ".npz", ".safetensors", ".parquet")


def rows(source: str, name: str) -> Rows:
    """The rows of a file, not read yet where the file can be mapped."""
    return as_rows(source, name)


def names(given: Rows) -> list[Any]:
    """What a file calls its rows; their numbers where it does not. InputError where a row has no id among ids."""
    ids = given.ids()
    if ids is not None and ids.null_count:
        row = pc.index(pc.is_null(ids), True).as_py()
        raise InputError(f"{given.name}: row {row} of {_file(given)} has no id: give every row one, or leave out `id`")
    return [x if isinstance(x, int | str) else str(x) for x in (range(len(given)) if ids is None else ids.to_pylist())]


def row_of(given: Rows, name: str) -> int:
    """The row that is called `name`, or, where rows have no ids, the row of this number."""
    known = [str(one) for one in names(given)]
    found = [row for row, one in enumerate(known) if one == name]
    if len(found) != 1:
        what = "no row" if not found else f"{len(found)} rows"
        raise InputError(
            f"{given.name}: {what} of {given.path or 'the file'} called {name!r}: expected one, such as {known[0]!r}"
        )
    return found[0]


def device_of(name: str) -> torch.device:
    """The device of this name, if it is there."""
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device {name}: {one_line(error)}; use --device cpu") from None


def load(given: Rows, device: str) -> Tensor:
    """All rows, on the device where scores are computed."""
    return given.read(0, len(given)).to(device_of(device))


def moved(given: Rows, device: str) -> Rows:
    """The same on the device where it is used, with what the file says of itself."""
    there = as_rows(load(given, device), given.name)
    there.metadata = given.metadata
    return there


def bank(source: str, for_c: str | None, shard: tuple[int, int] | None = None) -> Bank:
    """A bank from files, or one that was built; `shard`: which of how many parts of it."""
    folder = Path(source)
    if folder.suffix in (".txt", ".csv"):
        raise InputError(
            f"--bank: {source} holds texts: embed them by both models first, `ucl embed {source} ...` twice"
        )
    if not folder.is_dir():
        given = Bank(source, for_c)
        return given if shard is None else given.shard(*shard)
    if for_c is not None:
        raise InputError(f"{source} is a prepared bank and holds both embeddings: leave out --bank-for-c")
    own = shard_of(folder)
    if own is None:
        return Bank.load(folder, shard=shard)
    if shard != own:
        asked = f"got --shard {shard_name(shard)}" if shard else "it is no bank by itself"
        raise InputError(
            f"{source} is shard {shard_name(own)} of a bank: {asked}; score it with --shard {shard_name(own)}, then "
            "`ucl merge` all shards"
        )
    return Bank.load(folder)


def shard(text: str | None) -> tuple[int, int] | None:
    """What `--shard I/N` says: the shard, counted from 0, and how many there are."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    index, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= index <= count:
        raise InputError(f"--shard must be I/N with I from 1 to N, as 3/16: got {text}")
    return index - 1, count


def shard_name(shard: tuple[int, int]) -> str:
    """The same as it is given and shown."""
    return f"{shard[0] + 1}/{shard[1]}"
