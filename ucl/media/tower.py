"""One modality of a loaded model, made of two functions; and the import of a library that may be missing."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ucl.errors import InputError
from ucl.media.base import Encoder, EncoderInfo, MediaError
from ucl.media.requirements import INSTALL

__all__ = ["Tower", "import_library"]


class Tower(Encoder):
    """An encoder from `prepare` (reads one item) and `embed` (maps a list of prepared items to rows)."""

    def __init__(self, info: EncoderInfo, prepare: Callable[[Any], Any], embed: Callable[[list[Any]], Tensor]) -> None:
        self.info = info
        self._prepare, self._embed = prepare, embed

    def prepare(self, item: Any) -> Any:
        if self.info.modality == "text" and not (isinstance(item, str) and item.strip()):
            raise MediaError(repr(item), "not a text, or an empty one")
        return self._prepare(item)

    @torch.no_grad()
    def forward(self, prepared: Sequence[Any]) -> Float[Tensor, "n d"]:
        return self._embed(list(prepared)).float().cpu()


def import_library(name: str) -> Any:
    """Import an optional library (or a module of it); the error says how to install it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        how = INSTALL[name.split(".")[0]]
        raise InputError(f"{name}: not installed (no module named {error.name}); {how}") from None
