"""Scenes: a world whose truth is known, and how it is learned. What `peers` and `diagnosis` are played in."""

from dataclasses import dataclass

__all__ = ["SCENES", "Scene"]


@dataclass(frozen=True)
class Scene:
    """`world` names what the modalities are, `title` how the scene is called in figures and text."""

    world: str
    critic: str
    title: str
    shared: bool = True  # one encoder of B serves both models


SCENES = {
    "gaussian_l2": Scene("gaussian", "l2", "Gaussian, L2 critic"),
    "gaussian_squared_l2": Scene("gaussian", "squared_l2", "Gaussian, squared L2"),
    "gaussian_dot": Scene("gaussian", "dot", "Gaussian, dot product"),
    "gaussian_cosine": Scene("gaussian", "cosine", "Gaussian, cosine"),
    "disparate": Scene("gaussian", "l2", "two black boxes", shared=False),
    "dependent": Scene("dependent", "l2", "A, C share noise"),
    "multimodal": Scene("multimodal", "cosine", "several modes of B"),
    "xor": Scene("xor", "cosine", "xor of two"),
}
