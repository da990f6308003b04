"""Joint models, one space for all modalities: ImageBind (images in the middle) and LanguageBind (text in the middle).

Both are optional installs. Both multiply the outer modalities by their scale after normalising; here the rows keep
their length and the scale is in `EncoderInfo.logit_scale`; the middle has none (`ucl.media.base.pair_scale`).
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ucl.errors import InputError, one_line
from ucl.media import hub
from ucl.media.base import Encoder, EncoderInfo, MediaError, Modality, weights_digest
from ucl.media.decode import read_audio, read_image
from ucl.media.requirements import IMAGEBIND_URL, LANGUAGEBIND_IMAGE, LANGUAGEBIND_WEIGHTS
from ucl.media.tower import Tower, import_library

__all__ = ["imagebind_encoders", "languagebind_encoders"]


def imagebind_encoders(model: str, weights: str | None, device: torch.device) -> dict[Modality, Encoder]:
    """ImageBind: image, text and audio.

    `model` is a builder of the library (imagebind_huge); `weights` the path of its checkpoint, or None for torch hub's
    cache, filled from upstream when it can be reached. A row of audio is the mean of three clips' unit rows, as the
    library forms it, and therefore shorter than one.
    """
    library = import_library("imagebind.models.imagebind_model")
    data = import_library("imagebind.data")
    bind = getattr(library, model)(pretrained=False)
    bind.load_state_dict(torch.load(_imagebind_file(weights), map_location="cpu", weights_only=True))
    bind.eval().to(device)
    digest = weights_digest(bind)

    def tower(modality: Modality, key: str, read: Any) -> Encoder:
        post = bind.modality_postprocessors[key]
        scale = None if key == "vision" else float(post[1](torch.ones(1, device=device)).detach())

        def embed(batch: list[Tensor]) -> Tensor:
            return bind({key: torch.stack(batch).to(device)})[key] / (scale or 1.0)

        width = int(bind.modality_heads["vision"][-1].out_features)
        info = EncoderInfo(f"imagebind/{model}", modality, width, modality != "audio", scale, digest)
        return Tower(info, lambda item: _read(modality, item, lambda path: read([path], "cpu")[0]), embed)

    return {
        "image": tower("image", "vision", data.load_and_transform_vision_data),
        "text": tower("text", "text", data.load_and_transform_text),
        "audio": tower("audio", "audio", data.load_and_transform_audio_data),
    }


def languagebind_encoders(model: str, weights: str | None, device: torch.device) -> dict[Modality, Encoder]:
    """LanguageBind: image, text and audio.

    `model` is the audio branch (LanguageBind_Audio_FT), the images take LanguageBind_Image; `weights` is the hub's
    owner, or a folder that holds both, or None for the published owner.
    """
    library = import_library("languagebind")
    names = {"audio": model, "image": LANGUAGEBIND_IMAGE}
    sources = {modality: _languagebind_source(weights, name) for modality, name in names.items()}
    branches = {m: library.model_dict[m].from_pretrained(source).eval().to(device) for m, source in sources.items()}
    digest = weights_digest(nn.ModuleDict(branches))
    tokenizer = library.LanguageBindImageTokenizer.from_pretrained(sources["image"])
    width = int(branches["image"].text_projection.out_features)

    def outer(modality: Modality) -> Encoder:
        branch, process = branches[modality], library.transform_dict[modality](branches[modality].config)

        def embed(batch: list[Tensor]) -> Tensor:
            hidden = branch.vision_model(pixel_values=torch.stack(batch).to(device))[1]
            return nn.functional.normalize(branch.visual_projection(hidden), dim=-1)

        scale = float(branch.logit_scale.detach().exp())
        info = EncoderInfo(f"languagebind/{model}", modality, width, True, scale, digest)
        return Tower(info, lambda item: _read(modality, item, lambda path: process([path])["pixel_values"][0]), embed)

    def texts(batch: list[str]) -> Tensor:
        options = {"max_length": 77, "padding": "max_length", "truncation": True, "return_tensors": "pt"}
        tokens = {name: value.to(device) for name, value in tokenizer(batch, **options).items()}
        branch = branches["image"]
        return nn.functional.normalize(branch.text_projection(branch.text_model(**tokens)[1]), dim=-1)

    text = EncoderInfo(f"languagebind/{model}", "text", width, True, None, digest)
    return {"image": outer("image"), "audio": outer("audio"), "text": Tower(text, lambda item: item, texts)}


def _read(modality: Modality, item: Any, read: Callable[[str], Tensor]) -> Tensor:
    """Decode with our own readers first, whose errors name the file, then as the library does.

    The library gets an image as a file of what our reader made of it: upright, 8 bits a channel.
    """
    if modality == "audio":
        read_audio(item, 16_000)
    image = read_image(item) if modality == "image" else None
    try:
        if image is None:
            return read(str(item))
        with tempfile.TemporaryDirectory() as folder:
            image.save(f"{folder}/image.png", compress_level=1)
            return read(f"{folder}/image.png")
    except Exception as error:  # a decoder's errors are of many types
        raise MediaError(item, one_line(error)) from None


def _imagebind_file(weights: str | None) -> Path:
    if weights is not None:
        if not Path(weights).is_file():
            raise InputError(f"{weights}: no such file; download it from {IMAGEBIND_URL}")
        return Path(weights)
    path = Path(torch.hub.get_dir()) / "checkpoints" / IMAGEBIND_URL.rsplit("/", 1)[1]
    if not path.is_file():
        if not hub.reachable(IMAGEBIND_URL):
            raise InputError(f"{path}: not there, and {IMAGEBIND_URL} is out of reach; copy the file there")
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(IMAGEBIND_URL, str(path))
    return path


def _languagebind_source(weights: str | None, name: str) -> str:
    """A folder, or a repository of the hub that is cached or can be reached."""
    if weights is not None and Path(weights).is_dir():
        folder = Path(weights) / name
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; expected {name} as downloaded from the hub")
        return str(folder)
    repo = f"{weights or 'LanguageBind'}/{name}"
    if hub.cached(repo, LANGUAGEBIND_WEIGHTS) is None and not hub.hub_reachable():
        raise InputError(hub.missing_line(repo, LANGUAGEBIND_WEIGHTS[0]))
    return repo
