"""Sections `synthetic` and `synthetic_grid` of `params.yaml`."""

from pydantic import Field

from ucl.experiments.settings import Count, CriticName, GaussianTraining, NotNegative, Section


class Synthetic(GaussianTraining):
    """Experiment `synthetic` (section 6.1, Fig. 3)."""

    critics: list[CriticName] = Field(min_length=1, description="critics to train")


class SyntheticGrid(Section):
    """The published grid around `synthetic` (target `synthetic_grid`, not part of `all`): all else as there."""

    seeds: Count = Field(description="trials")
    dimension: list[Count] = Field(min_length=1, description="dimensions d of the representations")
    log_scale: list[float] = Field(min_length=1, description="initial log scales s0")
    norm_penalty: list[NotNegative] = Field(min_length=1, description="weights of the norm penalty")
