"""What the command is given, as the engine takes it: rows, critics and banks."""

from pathlib import Path

from torch import Tensor

from ucl.core.bank import Bank
from ucl.core.bridge import Bridge
from ucl.core.critics import CRITICS, Critic
from ucl.core.readers import Rows, as_rows
from ucl.errors import InputError

__all__ = ["bridge", "critic", "load", "rows"]


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
