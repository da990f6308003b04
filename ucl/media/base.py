"""What every encoder of real media is: items in, rows of an embedding matrix out, and the facts a score needs."""

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ucl.core.encoder_info import EncoderInfo, Modality, pair_scale
from ucl.errors import InputError

__all__ = ["Encoder", "EncoderInfo", "MediaError", "Modality", "pair_scale", "weights_digest"]


class MediaError(InputError):
    """One item that cannot be read: it is recorded with its path and this reason, and the run goes on."""

    def __init__(self, item: Any, reason: str) -> None:
        super().__init__(f"{item}: {reason}")
        self.reason = " ".join(reason.splitlines())


@runtime_checkable
class Encoder(Protocol):
    """An encoder of one modality. Implementations inherit from this class and fill in `info`, `prepare`, `forward`.

    An item is a text (`str`), the path of a file, or what the implementation's docstring names. `prepare` is the slow
    part that needs no model (reading, decoding, the model's own preprocessing); it runs in several threads at once
    while `forward` computes the batch before (`ucl.media.embed`).
    """

    info: EncoderInfo

    def prepare(self, item: Any) -> Any:
        """Read and preprocess one item; raises `MediaError` where it cannot be decoded."""
        ...

    def forward(self, prepared: Sequence[Any]) -> Float[Tensor, "n d"]:
        """Embed prepared items: float32 on the CPU, unit rows where `info.normalized`."""
        ...

    def encode(self, items: Sequence[Any]) -> Float[Tensor, "n d"]:
        """Embed items, one row each, in order."""
        return self.forward([self.prepare(item) for item in items])


def weights_digest(module: nn.Module) -> str:
    """SHA-256 over names, types, shapes and values of a module's state: the same for every file format and device."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {list(values.shape)}\n".encode())
        digest.update(memoryview(values.reshape(-1).view(torch.uint8).numpy()))
    return digest.hexdigest()
