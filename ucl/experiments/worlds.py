"""The worlds of `ucl.experiments.scenes`, built from a section of `params.yaml`."""

from dataclasses import replace
from typing import TypeVar

from ucl.experiments.gaussian import world_of
from ucl.experiments.settings import SceneTraining
from ucl.learning.encoders import synthetic_encoder, wide_encoder
from ucl.learning.model_pairs import Encoder
from ucl.worlds.gaussian import GaussianWorld
from ucl.worlds.multimodal import MultimodalWorld
from ucl.worlds.xor import XorWorld

__all__ = ["World", "build_world"]

World = GaussianWorld | MultimodalWorld | XorWorld
Params = TypeVar("Params", bound=SceneTraining)


def build_world(params: Params, name: str) -> tuple[World, Encoder, Params]:
    """A world, its encoders, and the parameters it is learned with."""
    if name in ("gaussian", "dependent"):
        shared = params.shared_noise if name == "dependent" else 0.0
        return replace(world_of(params), shared_noise=shared), synthetic_encoder, params
    wide = params.model_copy(update={"learning_rate": params.wide.learning_rate})
    encoder = wide_encoder(params.wide.width)
    if name == "multimodal":
        return MultimodalWorld(**params.multimodal.model_dump()), encoder, wide
    return XorWorld(**params.xor.model_dump()), encoder, wide
