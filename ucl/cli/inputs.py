"""What the command is given, as the engine takes it: rows, their ids, critics and banks."""

import re
from pathlib import Path
from typing import Any

from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.core.critics import CRITICS, Critic
from ucl.core.prepared import shard_of
from ucl.core.readers import Rows, as_rows
from ucl.errors import InputError

__all__ = ["bank", "bridge", "critic", "critics", "lines", "load", "names", "row_of", "rows", "shard", "told"]


def critic(kind: str | None, scale: float | None, side: str, known: tuple[str, float] | None = None) -> Critic:
    """The critic of one side (`ab`, `bc`) with the scale it was trained with; what is not given a built bank knows."""
    kind = str(kind or (known[0] if known else "cosine"))
    scale = known[1] if scale is None and known else scale
    if scale is None:
        raise InputError(
            f"--{side}-scale is missing: give exp(logit_scale) of the model, or a bank that `ucl bank build` made"
        )
    if not 0 < scale < float("inf"):
        raise InputError(f"--{side}-scale must be positive and finite: got {scale}; give exp(logit_scale) of the model")
    return CRITICS[kind](scale)


def critics(
    built: Bank, ab: str | None, ab_scale: float | None, bc: str | None, bc_scale: float | None
) -> tuple[Critic, Critic]:
    """Both critics, as the options say or the bank was built for; options that disagree with the bank are refused."""
    known = built.critics or (None, None)
    both = critic(ab, ab_scale, "ab", known[0]), critic(bc, bc_scale, "bc", known[1])
    built.check_critics(*both)
    return both


def bridge(
    ab: str | None,
    ab_scale: float | None,
    bc: str | None,
    bc_scale: float | None,
    source: str,
    for_c: str | None,
    normalize: bool,
    shard: tuple[int, int] | None = None,
) -> Bridge:
    """The bridge that the options describe."""
    built = bank(source, for_c, shard)
    return Bridge(*critics(built, ab, ab_scale, bc, bc_scale), built, normalize=normalize)


def lines(path: Path, name: str) -> list[str]:
    """A text file's lines."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"--{name}: {path} is no text in UTF-8; write one text a line") from None


def rows(source: str, name: str) -> Rows:
    """The rows of a file, not read yet where the file can be mapped."""
    return as_rows(source, name)


def names(given: Rows) -> list[Any]:
    """What a file calls its rows; their numbers where it does not."""
    ids = given.ids()
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


def load(given: Rows, device: str) -> Tensor:
    """All rows, on the device where scores are computed."""
    block = given.read(0, len(given))
    try:
        return block.to(device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device {device}: {str(error).splitlines()[0]}; use --device cpu") from None


def bank(source: str, for_c: str | None, shard: tuple[int, int] | None = None) -> Bank:
    """A bank from files, or one that was built; `shard`: which of how many parts of it."""
    folder = Path(source)
    if not folder.is_dir():
        given = Bank(source, for_c)
        return given if shard is None else given.shard(*shard)
    if for_c is not None:
        raise InputError(f"{source} is a prepared bank and holds both embeddings: leave out --bank-for-c")
    own = shard_of(folder)
    if own is None:
        return Bank.load(folder, shard=shard)
    if shard != own:
        asked = f"got --shard {told(shard)}" if shard else "it is no bank by itself"
        raise InputError(
            f"{source} is shard {told(own)} of a bank: {asked}; score it with --shard {told(own)}, then `ucl merge` "
            "all shards"
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


def told(shard: tuple[int, int]) -> str:
    """The same as it is given and shown."""
    return f"{shard[0] + 1}/{shard[1]}"
