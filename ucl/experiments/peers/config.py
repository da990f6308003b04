"""Section `peers` of `params.yaml`."""

from pydantic import Field

from ucl.experiments.settings import Count, SceneTraining


class Peers(SceneTraining):
    """Experiment `peers`: every way to bridge, on every world whose truth is known."""

    memory: Count = Field(description="training samples of A and of C that C-MCR sees; of B that Symile sums over")
