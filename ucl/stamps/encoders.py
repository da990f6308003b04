"""Trained models of stamps as `Encoder`s: files and texts in, unit rows out."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ucl.errors import InputError
from ucl.media.base import Encoder, EncoderInfo, Modality, weights_digest
from ucl.media.tower import Tower
from ucl.stamps.frozen import ImageNetwork, SoundNetwork, SpeechNetwork, TextNetwork
from ucl.stamps.models import MODELS, load_model
from ucl.stamps.towers import Classes, Described, letters, pad_rows

__all__ = ["stamps_encoders"]

MODALITY: dict[str, Modality] = {
    "image": "image", "text": "text", "letters": "text", "speech": "audio", "sound": "audio",
}  # fmt: skip


def stamps_encoders(model: str, weights: str | None, device: torch.device) -> dict[Modality, Encoder]:
    """A model that the suite `stamps` of `bridging` trained; `weights` is the folder of its safetensors files.

    `image_text`: pictures (SVG too) and English captions. `audio_text`: spoken captions and their text, in the language
    that it was trained on. `sound_text`: sounds and English captions. The frozen networks run on the CPU.
    """
    if model not in MODELS:
        raise InputError(f"stamps has no model {model!r}; allowed: {', '.join(MODELS)}")
    if weights is None:
        raise InputError(f"stamps:{model} needs the folder of its files: give results/bridging/stamps/models")
    towers, frozen = load_model(model, Path(weights))
    towers.to(device)
    info = partial(
        EncoderInfo,
        model=f"stamps/{model}",
        width=_width(towers.x),
        normalized=True,
        logit_scale=float(towers.scale.detach()),
        weights_digest=weights_digest(towers),
    )
    sides = zip(MODELS[model], (towers.x, towers.y), strict=True)
    return {MODALITY[kind]: _encoder(kind, tower, frozen, info, device) for kind, tower in sides}


def _encoder(
    kind: str, tower: nn.Module, frozen: Path, info: Callable[..., EncoderInfo], device: torch.device
) -> Encoder:
    prepare, rows = _frozen(kind, frozen, tower)

    def embed(batch: list[Any]) -> Tensor:
        return normalize(tower(*(part.to(device) for part in rows(batch))), dim=-1)

    return Tower(info(modality=MODALITY[kind]), prepare, embed)


Rows = Callable[[Sequence[Any]], tuple[Tensor, ...]]


def _frozen(kind: str, folder: Path, tower: nn.Module) -> tuple[Callable[[Any], Any], Rows]:
    """How an item is read, and what makes of several the input of a tower."""
    if kind == "letters":
        return letters, pad_rows
    if kind == "text":
        text = TextNetwork(folder)
        return str, lambda batch: (text.encode(batch),)
    if kind == "speech":
        speech = SpeechNetwork(folder)
        return speech.prepare, lambda batch: pad_rows(speech.forward(batch))
    network = ImageNetwork(folder) if kind == "image" else SoundNetwork(folder)
    assert isinstance(tower, Described)
    classes = Classes(*(part.cpu() for part in tower.classes))
    return network.prepare, lambda batch: (classes.describe(network.forward(batch)),)


def _width(tower: nn.Module) -> int:
    return [layer for layer in tower.modules() if isinstance(layer, nn.Linear)][-1].out_features
