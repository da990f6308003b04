"""Section `peers` of `params.yaml`."""

from typing import Annotated, Literal

from pydantic import Field

from ucl.experiments.peers.scenes import SCENES
from ucl.experiments.settings import Count, Distinct, GaussianTraining, NotNegative, Positive, Section

SceneName = Literal[tuple(SCENES)]


class WideEncoders(Section):
    """Networks for the worlds whose views are not linear."""

    width: Count = Field(description="width of the two hidden layers")
    learning_rate: Positive = Field(description="learning rate of Adam there")


class Multimodal(Section):
    """The world `multimodal`: angles that A sees modulo a half turn and C modulo a third."""

    circles: Count = Field(description="number of independent angles")
    positions: Annotated[int, Field(ge=6)] = Field(description="equally likely places on each circle")
    noise: Positive = Field(description="standard deviation of the noise on each coordinate of A and of C")
    noise_b: Positive = Field(description="the same for B")


class Xor(Section):
    """The world `xor`: random signs A and B, and C their product."""

    bits: Count = Field(description="signs in each modality")
    noise: Positive = Field(description="standard deviation of the noise on each of them")


class Peers(GaussianTraining):
    """Experiment `peers`: every way to bridge, on every world whose truth is known."""

    scenes: Annotated[list[SceneName], Distinct] = Field(min_length=1, description="worlds, and how they are learned")
    memory: Count = Field(
        description="training samples of A and of C that C-MCR and distilled bridges see; of B that Symile sums over"
    )
    shared_noise: NotNegative = Field(description="standard deviation of the shared noise in the world `dependent`")
    distil_steps: Count = Field(description="steps of training of the distilled bridges and of their ceiling")
    wide: WideEncoders
    multimodal: Multimodal
    xor: Xor
