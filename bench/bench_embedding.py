"""Embedding files, the whole way from files to a store, beside the bare model at the same batch size."""

import importlib
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from PIL import Image
from torch import Tensor

from bench import Line, median_seconds
from ucl.media import hub
from ucl.media.base import EncoderInfo
from ucl.media.decode import read_audio, read_image
from ucl.media.embed import embed
from ucl.media.tower import Tower

TITLE = "Embedding files with pretrained architectures"
BAR = "at least 75 % of the bare model's forward rate"
BATCH, IMAGES, SOUNDS = 16, 96, 32


def run() -> Iterator[Line]:
    """The image tower of CLIP and the audio tower of CLAP, at their published sizes, with random weights."""
    with tempfile.TemporaryDirectory() as folder:
        yield compare("CLIP ViT-B-32, JPEG files of 480 by 360", clip_images(), images(Path(folder)))
        yield compare("CLAP HTSAT-tiny, FLAC files of 10 s at 48 kHz", clap_audio(), sounds(Path(folder)))


def compare(what: str, tower: Tower, files: list[Path]) -> Line:
    """Rates through `embed` (reading, decoding, preprocessing, model, store) and of the model on ready batches."""
    ready = [tower.prepare(path) for path in files]

    def whole() -> None:
        with tempfile.TemporaryDirectory() as shards:
            embed(tower, {path.name: path for path in files}, shards=shards, batch=BATCH, workers=2, progress=False)

    def bare() -> None:
        for start in range(0, len(ready), BATCH):
            tower.forward(ready[start : start + BATCH])

    ours, theirs = median_seconds(whole, bare, repeats=3)
    share = theirs / ours
    rates = [f"{len(files) / seconds:.1f} items/s" for seconds in (ours, theirs)]
    return Line(f"{what}, batch {BATCH}", rates[0], "the model alone", rates[1], share, BAR, share >= 0.75)


def clip_images() -> Tower:
    open_clip = importlib.import_module("open_clip")
    clip, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32")
    clip.eval()
    return tower("image", 512, lambda path: preprocess(read_image(path)), lambda x: clip.encode_image(torch.stack(x)))


def clap_audio() -> Tower:
    with hub.hub_offline(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module("laion_clap")
        model = importlib.import_module("clap_module.model")
        htsat = importlib.import_module("clap_module.htsat")
        data = importlib.import_module("laion_clap.training.data")
        config = importlib.import_module("clap_module.factory")._MODEL_CONFIGS["HTSAT-tiny"]["audio_cfg"]
        branch = htsat.create_htsat_model(model.CLAPAudioCfp(**config), enable_fusion=False).eval()
    rate, samples = config["sample_rate"], config["clip_samples"]

    def prepare(path: Path) -> Tensor:
        wave = torch.from_numpy(data.int16_to_float32(data.float32_to_int16(read_audio(path, rate)[:samples])))
        return data.get_audio_features({}, wave, samples, "rand_trunc", "repeatpad", config)["waveform"]

    def forward(waves: list[Tensor]) -> Tensor:
        batch = {"waveform": torch.stack(waves), "longer": torch.zeros(len(waves), 1, dtype=torch.bool)}
        return branch(batch, mixup_lambda=None, device="cpu")["embedding"]

    return tower("audio", 768, prepare, forward)


def tower(modality: Any, width: int, prepare: Callable[[Any], Any], forward: Callable[[list[Any]], Tensor]) -> Tower:
    return Tower(EncoderInfo(f"random {modality}", modality, width, False, None, "none"), prepare, forward)


def images(folder: Path) -> list[Path]:
    """Smooth pictures with noise, as JPEG of the size of a video's frame."""
    draws = np.random.default_rng(0)
    files = [folder / f"{i}.jpg" for i in range(IMAGES)]
    for file in files:
        small = Image.fromarray(draws.integers(0, 256, (24, 32, 3), dtype=np.uint8)).resize((480, 360))
        noisy = np.clip(np.asarray(small) + draws.normal(0, 6, (360, 480, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(file, quality=90)
    return files


def sounds(folder: Path) -> list[Path]:
    """Noise as FLAC, the worst case for its decoder."""
    draws = np.random.default_rng(0)
    files = [folder / f"{i}.flac" for i in range(SOUNDS)]
    for file in files:
        soundfile.write(file, draws.normal(0, 0.1, 480_000), 48_000)
    return files
