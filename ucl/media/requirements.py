"""What the suites of real media need that this machine may lack: said at once, without loading a model."""

import importlib.util
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from ucl.media import hub
from ucl.media.pointers import Wheel, is_present, read_pointer

__all__ = ["missing_data", "missing_library", "missing_media", "missing_stamps", "missing_tools", "missing_weights"]

INSTALL = {
    "open_clip": "pip install open_clip_torch",
    "laion_clap": "pip install 'laion-clap>=1.1.7'",
    "imagebind": "pip install git+https://github.com/facebookresearch/ImageBind (licence CC BY-NC-SA 4.0)",
    "languagebind": "clone https://github.com/PKU-YuanGroup/LanguageBind and put the clone on PYTHONPATH",
    "yt_dlp": "pip install yt-dlp (or the extra `audioset` of this project)",
}
# Files of the hub by name of the model: a repository, and the names under which its weights may be cached.
CLAP_REPO, CLAP_WEIGHTS = "lukewys/laion_clap", "630k-audioset-best.pt"
ROBERTA, ROBERTA_FILES = "roberta-base", ("config.json", "vocab.json", "merges.txt")
ROBERTA_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
OPEN_CLIP_WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
OPEN_CLIP_TAGS = {("ViT-B-32", "laion2b_s34b_b79k"): "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"}
IMAGEBIND_URL = "https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth"
LANGUAGEBIND_IMAGE, LANGUAGEBIND_WEIGHTS = "LanguageBind_Image", ("pytorch_model.bin", "model.safetensors")
YOUTUBE = "https://www.youtube.com/watch?v={id}"


@runtime_checkable
class Pretrained(Protocol):
    """A pretrained model by its library, its name there, and its weights."""

    @property
    def library(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def weights(self) -> str | None: ...


def missing_media(
    models: Iterable[Pretrained], suite: str, root: str | Path, *, manifest: str | Path, fetched: bool, remote: bool
) -> list[str]:
    """All that `suite` (audioset or folder) lacks, one line each; empty where it can begin.

    `fetched` says that the clips' manifest is already made, `remote` that a DVC remote is set up. Every host is asked
    once, all at the same time, and only for what is not here.
    """
    checks: list[Callable[[], list[str]]] = [partial(missing_weights, model) for model in models]
    if suite == "folder":
        manifest = Path(manifest)
        told = f"{manifest}: no such manifest; set media.manifest to a CSV or Parquet file with id, audio, image, text"
        checks.append(lambda: [] if manifest.is_file() else [told])
    else:
        names = ("data/audioset/ontology.json.dvc", "data/audioset/eval_segments.csv.dvc")
        checks += [partial(missing_data, Path(root) / name, remote) for name in names]
        if not fetched:
            checks.append(_missing_video)
    with ThreadPoolExecutor(len(checks)) as pool:
        return list(dict.fromkeys(line for lines in pool.map(lambda check: check(), checks) for line in lines))


def missing_data(pointer: Path, remote: bool) -> list[str]:
    """A tracked file that is not here and cannot be reached upstream, where no remote is set up."""
    source = read_pointer(pointer)
    if remote or is_present(source) or isinstance(source.url, Wheel) or hub.reachable(source.url):
        return []
    advice = "add a mirror with `dvc remote add --local -d mirror <path or address>`"
    return [f"{source.path}: not here, no DVC remote is set up, and {source.url} is out of reach; {advice}"]


def missing_stamps(folder: str | Path) -> list[str]:
    """Tux Paint's stamps, where their folder is not here."""
    if Path(folder).is_dir():
        return []
    return [
        f"{folder}: no such folder; install Tux Paint's stamps (apt install tuxpaint-stamps-default), or set "
        "media.stamps to where they are"
    ]


def missing_weights(model: Pretrained) -> list[str]:
    """The library, if it is not installed, or the weights that are neither here nor to be had."""
    if model.library == "precomputed":
        here = model.weights is not None and Path(model.weights).is_dir()
        return [] if here else [f"{model.weights}: no such folder; expected embedding stores such as audio.parquet"]
    lines = missing_library(model.library)
    absent: dict[str, list[str]] = {}
    for repo, names in _hub_files(model):
        if hub.cached(repo, names) is None:
            absent.setdefault(repo, []).append(names[0])
    if absent and not hub.hub_reachable():
        lines += [hub.missing_line(repo, *names) for repo, names in absent.items()]
    return lines


def missing_tools() -> list[str]:
    """What is missing to fetch clips."""
    lines = missing_library("yt_dlp")
    if shutil.which("ffmpeg") is None:
        lines.append("ffmpeg: not on the PATH; install it with the system's package manager (apt install ffmpeg)")
    return lines


def missing_library(name: str) -> list[str]:
    """The line for a library that is not installed."""
    return [] if importlib.util.find_spec(name) else [f"{name}: not installed; {INSTALL[name]}"]


def open_clip_repo(model: str, weights: str | None) -> str | None:
    """The hub's repository of these weights; None for files on this machine and for tags that only open_clip knows."""
    if model.startswith("hf-hub:"):
        return model.removeprefix("hf-hub:")
    return OPEN_CLIP_TAGS.get((model, weights or ""))


def _missing_video() -> list[str]:
    lines = missing_tools()
    if not hub.reachable(YOUTUBE):
        lines.append("https://www.youtube.com: out of reach; bring media of your own with the suite `folder`")
    return lines


def _hub_files(model: Pretrained) -> list[tuple[str, tuple[str, ...]]]:
    """What the hub must have for a model: (repository, any of these files)."""
    local = model.weights is not None and Path(model.weights).exists()
    if model.library == "open_clip":
        repo = open_clip_repo(model.model, model.weights)
        return [(repo, OPEN_CLIP_WEIGHTS)] if repo else []
    if model.library == "laion_clap":
        weights = [] if local else [(CLAP_REPO, (model.weights or CLAP_WEIGHTS,))]
        return [*weights, *((ROBERTA, (name,)) for name in ROBERTA_FILES), (ROBERTA, ROBERTA_WEIGHTS)]
    if model.library == "languagebind" and not local:
        owner = model.weights or "LanguageBind"
        return [(f"{owner}/{name}", LANGUAGEBIND_WEIGHTS) for name in (model.model, LANGUAGEBIND_IMAGE)]
    return []
