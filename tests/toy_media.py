"""Two small models with known answers: colours and words, tones and words; and media to give them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from PIL import Image
from torch import Tensor

from ucl.media.base import EncoderInfo
from ucl.media.decode import read_audio, read_image
from ucl.media.tower import Tower

COLOURS = {"red": (250, 20, 20), "green": (20, 250, 20), "blue": (20, 20, 250), "grey": (128, 128, 128)}
TONES = {"red": 200, "green": 400, "blue": 800, "grey": 1600}  # Hz: what each colour sounds like
RATE = 8000
SCALES = {"eye": 6.0, "ear": 9.0}


def unit(rows: Sequence[Sequence[float]]) -> Tensor:
    matrix = torch.tensor(rows, dtype=torch.float32)
    return matrix / matrix.norm(dim=1, keepdim=True)


def colour(path: Path) -> list[float]:
    """Mean red, green, blue, and a constant."""
    return [*np.asarray(read_image(path)).reshape(-1, 3).mean(0) / 255, 0.1]


def tone(path: Path) -> list[float]:
    """How strong each of the tones is, and a constant: five numbers."""
    wave = read_audio(path, RATE)
    clock = np.arange(len(wave)) / RATE
    return [*(abs(np.exp(-2j * np.pi * f * clock) @ wave) / len(wave) for f in TONES.values()), 0.05]


def word(text: str, width: int) -> list[float]:
    """What is said of each colour, and how long the text is."""
    counts = [float(text.count(name)) for name in COLOURS]
    seen = np.array([COLOURS[name] for name in COLOURS]).T @ counts / 255
    return [*(seen if width == 4 else counts), 0.1 + len(text) / 200]


class Loaders:
    """`eye` (image, text) and `ear` (audio, text), by `weights`; counts what was embedded, and may stop."""

    def __init__(self) -> None:
        self.embedded: list[str] = []
        self.stop_after: int | None = None

    def load(self, model: str, weights: str | None, device: torch.device) -> dict[str, Tower]:
        kind, width, prepare = ("image", 4, colour) if model == "eye" else ("audio", 5, tone)

        def info(modality: str) -> EncoderInfo:
            return EncoderInfo(f"toy/{model}", modality, width, True, SCALES[model], f"weights {weights}")

        def forward(batch: list[tuple[str, list[float]]]) -> Tensor:
            if self.stop_after is not None and len(self.embedded) + len(batch) > self.stop_after:
                raise KeyboardInterrupt
            self.embedded += [name for name, _ in batch]
            return unit([row for _, row in batch])

        return {
            kind: Tower(info(kind), lambda path: (path.name, prepare(path)), forward),
            "text": Tower(info("text"), lambda text: (text, word(text, width)), forward),
        }


def paint(path: Path, name: str, shade: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.tile(np.array(COLOURS[name]) * shade, (30, 40, 1)).astype(np.uint8)
    Image.fromarray(pixels).save(path)


def play(path: Path, name: str, seconds: float = 0.5) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    clock = np.arange(int(seconds * RATE)) / RATE
    soundfile.write(path, 0.4 * np.sin(2 * np.pi * TONES[name] * clock), RATE)
