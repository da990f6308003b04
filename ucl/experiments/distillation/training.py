"""Training of `distillation`: the two models of a scene, as `peers` has them, with larger banks."""

from torch import Tensor

from ucl.experiments.distillation.config import Distillation
from ucl.experiments.learned import learn_scene

__all__ = ["learn"]


def learn(params: Distillation, name: str, progress: bool = True) -> dict[str, Tensor]:
    """`ucl.experiments.learned.Learned.tensors` with the largest bank, and as many samples, as are asked for."""
    found = learn_scene(params, name, bank=params.largest_bank, memory=params.most_samples, progress=progress)
    return found.tensors
