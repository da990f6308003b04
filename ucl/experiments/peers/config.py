"""Section `peers` of `params.yaml`."""

from typing import Annotated

from pydantic import Field

from ucl.experiments.settings import Count, Distinct, SceneName, SceneTraining


class Models(SceneTraining):
    """What the models of `peers` and its references depend on."""

    memory: Count = Field(
        description="training samples of A and of C that C-MCR and distilled bridges see; of B that Symile sums over"
    )


class Peers(Models):
    """Experiment `peers`: every way to bridge, on every world whose truth is known."""

    scenes: Annotated[list[SceneName], Distinct] = Field(min_length=1, description="worlds, and how they are learned")
    distil_steps: Count = Field(description="steps of training of the distilled bridges and of their ceiling")
