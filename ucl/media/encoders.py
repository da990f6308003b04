"""Pretrained models as `Encoder`s: open_clip, laion-clap, embeddings made elsewhere, and the joint models by name.

Each function loads one model and returns its encoders by modality. Preprocessing is the library's own. Checkpoints
are read without running pickled code (`weights_only=True`); the numpy scalars that training scripts leave in published
`.pt` files are on torch's list of allowed types, everything else is refused.
"""

import contextlib
import importlib
import pickle
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ucl.errors import InputError, one_line
from ucl.media import hub
from ucl.media.base import Encoder, EncoderInfo, MediaError, Modality, weights_digest
from ucl.media.decode import read_audio, read_image
from ucl.media.joint import imagebind_encoders, languagebind_encoders
from ucl.media.requirements import CLAP_REPO, CLAP_WEIGHTS, OPEN_CLIP_WEIGHTS, ROBERTA, ROBERTA_FILES, ROBERTA_WEIGHTS
from ucl.media.store import Store, read_store
from ucl.media.tower import Tower, import_library

__all__ = [
    "LOADERS",
    "laion_clap_encoders",
    "load_encoders",
    "open_clip_encoders",
    "precomputed_encoders",
    "read_checkpoint",
]


def open_clip_encoders(model: str, weights: str | None, device: torch.device) -> dict[Modality, Encoder]:
    """CLIP from open_clip: image and text.

    `model` and `weights` as `open_clip.create_model` takes them: a configuration's name with a pretrained tag or the
    path of a checkpoint; or `hf-hub:owner/name` or `local-dir:path`, with `weights` None.
    """
    open_clip = import_library("open_clip")
    repo = _open_clip_repo(open_clip, model, weights)
    have = repo is None or hub.cached(repo, OPEN_CLIP_WEIGHTS) is not None
    if not have and not hub.hub_reachable():
        raise InputError(hub.missing_line(str(repo), OPEN_CLIP_WEIGHTS[0]))
    network = hub.hub_offline() if have else contextlib.nullcontext()
    with network, torch.serialization.safe_globals(_numpy_scalars()):
        try:
            clip, _, preprocess = open_clip.create_model_and_transforms(
                model, pretrained=weights, device=device, require_pretrained=True
            )
            tokenize = open_clip.get_tokenizer(model)
        except (RuntimeError, FileNotFoundError, ValueError, pickle.UnpicklingError) as error:
            raise InputError(f"open_clip cannot load {model} with {weights}: {one_line(error)}") from None
    clip.eval()
    info = partial(
        EncoderInfo,
        model="/".join(["open_clip", Path(model).name if model.startswith("local-dir:") else model, *_source(weights)]),
        width=int(clip.encode_text(tokenize(["a"]).to(device)).shape[1]),
        normalized=True,
        logit_scale=float(clip.logit_scale.detach().exp()),
        weights_digest=weights_digest(clip),
    )

    def images(batch: list[Tensor]) -> Tensor:
        return clip.encode_image(torch.stack(batch).to(device, non_blocking=True), normalize=True)

    def texts(batch: list[Tensor]) -> Tensor:
        return clip.encode_text(torch.stack(batch).to(device), normalize=True)

    return {
        "image": Tower(info(modality="image"), lambda path: preprocess(read_image(path)), images),
        "text": Tower(info(modality="text"), lambda text: tokenize([text])[0], texts),
    }


def laion_clap_encoders(model: str, weights: str | None, device: torch.device) -> dict[Modality, Encoder]:
    """CLAP from laion-clap, without fusion: audio and text.

    `model` is an audio architecture of the library (HTSAT-tiny for the default checkpoint); `weights` the path of a
    checkpoint, or a file of the hub's lukewys/laion_clap, or None for 630k-audioset-best.pt. The library also asks for
    `roberta-base`.
    Audio beyond the model's ten seconds is cut to the first ten: the library would cut at random.
    """
    weights = weights or CLAP_WEIGHTS
    path = Path(weights)
    if not path.is_file():
        if len(path.parts) > 1:
            raise InputError(f"{weights}: no such file; give a path, or the name of a file of {CLAP_REPO} on the hub")
        path = hub.fetch(CLAP_REPO, weights)
    for name in ROBERTA_FILES:
        hub.fetch(ROBERTA, name)
    if hub.cached(ROBERTA, ROBERTA_WEIGHTS) is None:
        hub.fetch(ROBERTA, ROBERTA_WEIGHTS[0])
    # Importing laion_clap builds three tokenizers from the hub, of which this model uses one.
    with hub.hub_offline(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        laion_clap = import_library("laion_clap")
        data = importlib.import_module("laion_clap.training.data")
        clap = laion_clap.CLAP_Module(enable_fusion=False, device=device, amodel=model).to(device)
    _load_clap(clap.model, read_checkpoint(path), path)
    clap.eval()
    audio = clap.model_cfg["audio_cfg"]
    rate, samples = audio["sample_rate"], audio["clip_samples"]
    info = partial(
        EncoderInfo,
        model="/".join(["laion_clap", model, path.name]),
        width=clap.model.joint_embed_shape,
        normalized=True,
        logit_scale=float(clap.model.logit_scale_a.detach().exp()),
        weights_digest=weights_digest(clap.model),
    )

    def prepare_audio(item: Any) -> dict[str, Tensor]:
        wave = read_audio(item, rate)[:samples]
        quantized = torch.from_numpy(data.int16_to_float32(data.float32_to_int16(wave)))
        return data.get_audio_features({}, quantized, samples, "rand_trunc", "repeatpad", audio)

    def texts(batch: list[str]) -> Tensor:
        return clap.model.get_text_embedding(dict(clap.tokenizer(batch)))

    return {
        "audio": Tower(info(modality="audio"), prepare_audio, clap.model.get_audio_embedding),
        "text": Tower(info(modality="text"), lambda text: text, texts),
    }


def precomputed_encoders(model: str, weights: str | None, device: torch.device) -> dict[Modality, Encoder]:
    """Embeddings made elsewhere: the stores `<modality>.parquet` (`ucl.media.store`) in the folder `weights`.

    Items are ids of the store; `model` and `device` are not used: the stores say what they are.
    """
    folder = Path(weights or "")
    files = sorted(folder.glob("*.parquet")) if weights else []
    if not files:
        raise InputError(f"{weights}: expected a folder of embedding stores such as audio.parquet, found none")
    stores = [read_store(file) for file in files]
    return {store.info.modality: _precomputed(store) for store in stores}


def _precomputed(store: Store) -> Encoder:
    row = {name: i for i, name in enumerate(store.ids)}

    def prepare(item: Any) -> Tensor:
        if item not in row:
            raise MediaError(item, "no embedding of this id in the precomputed file")
        return store.embeddings[row[item]]

    return Tower(store.info, prepare, torch.stack)


def load_encoders(library: str, model: str, weights: str | None, device: torch.device) -> dict[Modality, Encoder]:
    """Load a model by the name of its library (a key of `LOADERS`)."""
    if library not in LOADERS:
        raise InputError(f"library = {library!r}: unknown; allowed: {', '.join(LOADERS)}")
    return LOADERS[library](model, weights, device)


def stamps_encoders(model: str, weights: str | None, device: torch.device) -> dict[Modality, Encoder]:
    """What the suite `stamps` of `bridging` trained (`ucl.stamps.encoders`); `weights` is the folder of its models."""
    return import_library("ucl.stamps.encoders").stamps_encoders(model, weights, device)  # needs an extra of its own


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file or a torch checkpoint (bare, or under `state_dict`; `module.` prefixes cut)."""
    if path.suffix == ".safetensors":
        return load_file(path)
    try:
        with torch.serialization.safe_globals(_numpy_scalars()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols; a refusal is an error
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise InputError(
            f"{path}: not a checkpoint that can be read without running code in it ({one_line(error)}); "
            "where you trust it, convert it to safetensors once"
        ) from None
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not (isinstance(state, Mapping) and all(isinstance(value, Tensor) for value in state.values())):
        raise InputError(f"{path}: expected named tensors, bare or under `state_dict`")
    return {name.removeprefix("module."): value for name, value in state.items()}


def _numpy_scalars() -> list[Any]:
    """What a pickled `numpy.float64(...)`, such as a training script's best score, is made of: data, no code."""
    scalar = np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32)]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    return [*((scalar, name) for name in names), np.dtype, *kinds]


def _load_clap(model: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    # A buffer that transformers dropped in 4.31 and the published checkpoints still hold.
    state.pop("text_branch.embeddings.position_ids", None)
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise InputError(
            f"{path}: does not fit this audio architecture (fusion checkpoints do not): {one_line(error, 2)}"
        ) from None


def _open_clip_repo(open_clip: Any, model: str, weights: str | None) -> str | None:
    """The hub repository that these weights come from, None for files on this machine."""
    if model.startswith("hf-hub:"):
        return model.removeprefix("hf-hub:")
    entry = (open_clip.pretrained.get_pretrained_cfg(model, weights) or {}) if weights else {}
    return entry.get("hf_hub", "").rstrip("/") or None


def _source(weights: str | None) -> list[str]:
    return [Path(weights).name] if weights else []


LOADERS = {
    "open_clip": open_clip_encoders,
    "laion_clap": laion_clap_encoders,
    "imagebind": imagebind_encoders,
    "languagebind": languagebind_encoders,
    "precomputed": precomputed_encoders,
    "stamps": stamps_encoders,
}
