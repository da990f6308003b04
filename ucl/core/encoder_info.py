"""What an embedding file says of the encoder that made it: its model, its weights, and the scale its critic learned."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from ucl.errors import InputError, one_line

__all__ = ["KEY", "EncoderInfo", "Modality", "pair_scale", "parse_info"]

KEY = "ucl.encoder"  # of a file's metadata
Modality = Literal["image", "text", "audio"]


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


def parse_info(metadata: Mapping[str, str], path: str) -> EncoderInfo | None:
    """The facts in a file's metadata; None where it holds none. `path` is used in errors."""
    if KEY not in metadata:
        return None
    try:
        return EncoderInfo(**json.loads(metadata[KEY]))
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: `{KEY}` does not describe an encoder: {one_line(error)}") from None
