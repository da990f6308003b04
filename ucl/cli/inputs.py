"""What the command is given, as the engine takes it: rows, critics and banks."""

from pathlib import Path

from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.core.critics import CRITICS, Critic
from ucl.core.readers import Rows, as_rows
from ucl.errors import InputError

__all__ = ["bank_with_critics", "bridge", "critic", "lines", "load", "rows"]


def critic(kind: str, scale: float, side: str) -> Critic:
    """The critic of one side (`ab`, `bc`) with the scale it was trained with."""
    if not 0 < scale < float("inf"):
        raise InputError(f"--{side}-scale must be positive and finite: got {scale}; give exp(logit_scale) of the model")
    return CRITICS[str(kind)](scale)


def bridge(
    ab: str, ab_scale: float, bc: str, bc_scale: float, source: str, for_c: str | None, normalize: bool
) -> Bridge:
    """The bridge that the options describe."""
    critics = critic(ab, ab_scale, "ab"), critic(bc, bc_scale, "bc")
    return Bridge(*critics, _bank(source, for_c), normalize=normalize)


def bank_with_critics(
    source: str, for_c: str | None, ab: tuple[str, float | None], bc: tuple[str, float | None]
) -> tuple[Bank, tuple[Critic, Critic]]:
    """A bank, and critics by kind and scale; those that a prepared bank was made for where no scale is given."""
    bank = _bank(source, for_c)
    known = bank.critics or (None, None)
    given = zip((ab, bc), ("ab", "bc"), known, strict=True)
    critics = [_known_or_given(kind, scale, side, was) for (kind, scale), side, was in given]
    return bank, (critics[0], critics[1])


def _known_or_given(kind: str, scale: float | None, side: str, known: tuple[str, float] | None) -> Critic:
    if scale is not None:
        return critic(kind, scale, side)
    if known is None:
        raise InputError(f"--{side}-scale is missing: give exp(logit_scale) of the model, or find it by ucl calibrate")
    return critic(*known, side)


def lines(path: Path, name: str) -> list[str]:
    """A text file's lines."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"--{name}: {path} is no text in UTF-8; write one text a line") from None


def rows(source: str, name: str) -> Rows:
    """The rows of a file, not read yet where the file can be mapped."""
    return as_rows(source, name)


def load(given: Rows, device: str) -> Tensor:
    """All rows, on the device where scores are computed."""
    block = given.read(0, len(given))
    try:
        return block.to(device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device {device}: {str(error).splitlines()[0]}; use --device cpu") from None


def _bank(source: str, for_c: str | None) -> Bank:
    folder = Path(source)
    if not folder.is_dir():
        return Bank(source, for_c)
    if for_c is not None:
        raise InputError(f"{source} is a prepared bank and holds both embeddings: leave out --bank-for-c")
    return Bank.load(folder)
