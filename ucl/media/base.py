"""What every encoder of real media is: items in, rows of an embedding matrix out, and the facts a score needs."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ucl.errors import InputError

__all__ = ["Encoder", "EncoderInfo", "MediaError", "Modality", "pair_scale", "weights_digest"]

Modality = Literal["image", "text", "audio"]


class MediaError(InputError):
    """One item that cannot be read: it is recorded with its path and this reason, and the run goes on."""

    def __init__(self, item: Any, reason: str) -> None:
        super().__init__(f"{item}: {reason}")
        self.reason = " ".join(reason.splitlines())


@dataclass(frozen=True)
class EncoderInfo:
    """What must be known of an encoder to use its embeddings.

    `logit_scale` is the learned inverse temperature (not its logarithm) by which the critic multiplies the similarity
    of this modality with the one it was trained against; None where the other side carries the pair's scale (the
    binding modality of a joint model with one scale per pair). See `pair_scale`.
    """

    model: str
    modality: Modality
    width: int
    normalized: bool
    logit_scale: float | None
    weights_digest: str

    def __post_init__(self) -> None:
        if self.modality not in get_args(Modality):
            raise InputError(f"modality must be one of {', '.join(get_args(Modality))}: got {self.modality!r}")
        if self.logit_scale is not None and not 0 < self.logit_scale < float("inf"):
            raise InputError(
                f"logit_scale must be positive and finite: got {self.logit_scale}; give exp(logit_scale) of the model"
            )


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


def pair_scale(one: EncoderInfo, other: EncoderInfo) -> float:
    """The inverse temperature of the critic between two encoders of one model.

    Two-tower models (CLIP, CLAP) give both towers the same scale; joint models (ImageBind, LanguageBind) give each
    outer modality its own and the binding modality none.
    """
    if one.model != other.model or one.weights_digest != other.weights_digest:
        raise InputError(f"a critic needs two encoders of one model: got {one.model} and {other.model}; bridge them")
    scales = {info.logit_scale for info in (one, other)} - {None}
    if len(scales) != 1:
        raise InputError(
            f"{one.model} has no learned scale for {one.modality} with {other.modality}: "
            f"got {one.logit_scale} and {other.logit_scale}; it was not trained on that pair"
        )
    scale = scales.pop()
    assert scale is not None
    return scale


def weights_digest(module: nn.Module) -> str:
    """SHA-256 over names, types, shapes and values of a module's state: the same for every file format and device."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {list(values.shape)}\n".encode())
        digest.update(memoryview(values.reshape(-1).view(torch.uint8).numpy()))
    return digest.hexdigest()
