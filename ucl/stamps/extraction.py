"""All stamps through the frozen networks, which only this module and the encoders load."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm import tqdm

from ucl.media.base import MediaError
from ucl.stamps.features import Features
from ucl.stamps.frozen import ImageNetwork, SoundNetwork, SpeechNetwork, TextNetwork
from ucl.stamps.towers import Classes

__all__ = ["extract"]

BATCH = 16


def extract(kind: str, items: Mapping[str, Any], weights: Path, *, progress: bool = True) -> Features:
    """Features of items (name -> path; for `text` name -> text) by the frozen network of a kind.

    What cannot be read, or is silent, is left out and listed.
    """
    text = TextNetwork(weights) if kind != "speech" else None
    if kind == "text":
        assert text is not None
        return Features(dict(zip(items, text.encode(list(items.values())), strict=True)), None, {})
    networks = {"image": ImageNetwork, "speech": SpeechNetwork, "sound": SoundNetwork}
    network: Any = networks[kind](weights)
    rows: dict[str, Tensor] = {}
    failed: dict[str, str] = {}
    for names in tqdm([list(items)[i : i + BATCH] for i in range(0, len(items), BATCH)], kind, disable=not progress):
        prepared = {}
        for name in names:
            try:
                prepared[name] = network.prepare(items[name])
            except MediaError as error:
                failed[name] = error.reason
        if prepared:
            rows |= dict(zip(prepared, network.forward(list(prepared.values())), strict=True))
    classes = None
    if text is not None:
        head = network.head
        classes = Classes(head.weight, head.bias, text.encode(head.names))
    return Features(rows, classes, failed)
