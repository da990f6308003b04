"""Models by name, as `params.yaml` calls them: the library, the model there, and its weights, with colons between."""

from dataclasses import dataclass
from pathlib import Path

from ucl.errors import InputError
from ucl.media.encoders import LOADERS

__all__ = ["ModelName"]

WEIGHTS = {"stamps": "results/bridging/stamps/models"}  # where those of a library are, if nothing else is said
WHOLE = ("hf-hub:", "local-dir:")  # of open_clip: a model that holds its weights


@dataclass(frozen=True)
class ModelName:
    """`library`, `model` and `weights` of a section of `media` in `params.yaml`."""

    library: str
    model: str
    weights: str | None = None

    @staticmethod
    def parse(text: str) -> "ModelName":
        """`open_clip:ViT-B-32:laion2b_s34b_b79k`, `open_clip:local-dir:FOLDER`, `laion_clap:HTSAT-tiny:FILE.pt`, ..."""
        library, _, rest = text.partition(":")
        if library == "precomputed":
            raise InputError(
                f"--model {text}: precomputed embeddings are made already; give their files to `ucl search`"
            )
        if library not in LOADERS or not rest:
            known = ", ".join(name for name in LOADERS if name != "precomputed")
            raise InputError(
                f"--model must be LIBRARY:MODEL:WEIGHTS, such as open_clip:ViT-B-32:laion2b_s34b_b79k, of one of "
                f"{known}: got {text}"
            )
        model, _, weights = (rest, "", "") if rest.startswith(WHOLE) else rest.partition(":")
        return ModelName(library, model, weights or WEIGHTS.get(library))

    def __str__(self) -> str:
        """The same name, holding from everywhere: files of this machine by their whole path."""
        model, weights = self.model, self.weights
        if model.startswith("local-dir:"):
            model = f"local-dir:{Path(model.removeprefix('local-dir:')).resolve()}"
        if weights is not None and Path(weights).exists():
            weights = str(Path(weights).resolve())
        return ":".join([self.library, model, *([weights] if weights else [])])
