"""The models that are trained on stamps, by name, and their files."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from ucl.errors import InputError
from ucl.media.pointers import dvc_md5
from ucl.stamps.towers import CharacterTower, Classes, Described, FrameTower, TextTower, TwoTowers
from ucl.stamps.training import Recipe
from ucl.tensors import read_about, read_tensors, write_tensors

__all__ = ["FROZEN", "MODELS", "build", "copy_model", "load_model", "save_model"]

# The towers of each model, and the files of `data/weights` that they stand on.
MODELS = {
    "image_text": ("image", "text"),  # a picture and its English caption
    "audio_text": ("speech", "letters"),  # a spoken caption and its text, in one language
    "sound_text": ("sound", "text"),  # a sound and an English caption
    "audio_image": ("speech", "image"),  # a spoken caption and a picture: what a bridge never sees
    "sound_image": ("sound", "image"),  # a sound and a picture, likewise
}
FROZEN = {
    "image": ("efficientnet_lite0.pth", "imagenet_names.json"),
    "text": ("minilm.zip",),
    "speech": ("melspectrogram.onnx", "speech_embedding.onnx"),
    "sound": ("yamnet.tflite",),
    "letters": (),
}
FRAMES, SENTENCE = 96, 384  # widths of the frozen speech and text networks


def build(name: str, width: int, hidden: int, classes: Mapping[str, Classes]) -> TwoTowers:
    """An untrained model; `classes` has the heads of the frozen networks (`image`, `sound`) that it describes with."""
    x, y = (_tower(kind, width, hidden, classes) for kind in MODELS[name])
    return TwoTowers(x, y)


def _tower(kind: str, width: int, hidden: int, classes: Mapping[str, Classes]) -> nn.Module:
    if kind in ("image", "sound"):
        return Described(classes[kind], width, hidden)
    if kind == "text":
        return TextTower(SENTENCE, width, hidden)
    return FrameTower(FRAMES, width, hidden) if kind == "speech" else CharacterTower(width, hidden)


def save_model(name: str, model: TwoTowers, recipe: Recipe, weights: Path, path: Path) -> None:
    """Write a trained model; its file says where the frozen weights lie, seen from it, and their digests."""
    files = sorted({file for kind in MODELS[name] for file in FROZEN[kind]})
    about = {
        "model": name,
        "recipe": json.dumps({"width": recipe.width, "hidden": recipe.hidden}),
        "weights": os.path.relpath(weights, path.parent),
        "md5": json.dumps({file: dvc_md5(weights / file) for file in files}),
    }
    write_tensors(model.state_dict(), path, about)


def load_model(name: str, folder: Path) -> tuple[TwoTowers, Path]:
    """The model `<folder>/<name>.safetensors`, and the folder of the frozen weights, which are verified."""
    path = folder / f"{name}.safetensors"
    if not path.is_file():
        raise InputError(
            f"{path}: no such model; train it: put stamps into bridging.suites and run `snakemake --cores all bridging`"
        )
    about, tensors = read_about(path), read_tensors(path)
    if about.get("model") != name or not {"recipe", "weights", "md5"} <= set(about):
        raise InputError(f"{path}: expected the model {name} of the suite stamps, got {about.get('model')!r}")
    weights = folder / about["weights"]
    for file, md5 in json.loads(about["md5"]).items():
        if not (weights / file).is_file() or dvc_md5(weights / file) != md5:
            raise InputError(f"{weights / file}: not the file of md5 {md5} that {path} was trained on; fetch it again")
    classes = {
        kind: Classes(*(tensors[f"{side}.{part}"] for part in ("weight", "bias", "names")))
        for side, kind in zip("xy", MODELS[name], strict=True)
        if kind in ("image", "sound")
    }
    with torch.random.fork_rng():
        model = build(name, **json.loads(about["recipe"]), classes=classes)
    model.load_state_dict(tensors)
    return model.eval(), weights


def copy_model(source: Path, path: Path) -> None:
    """The same model in another folder, from which the frozen weights are seen."""
    about = read_about(source)
    weights = os.path.relpath(source.parent / about["weights"], path.parent)
    write_tensors(read_tensors(source), path, about | {"weights": weights})
