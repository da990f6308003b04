"""Sections `synthetic` and `synthetic_grid` of `params.yaml`."""

from typing import Annotated

from pydantic import Field

from ucl.experiments.settings import Count, CriticName, Distinct, GaussianTraining, LogScale, NotNegative, Section


class Synthetic(GaussianTraining):
    """Experiment `synthetic` (section 6.1, Fig. 3)."""

    critics: Annotated[list[CriticName], Distinct] = Field(min_length=1, description="critics to train")


class SyntheticGrid(Section):
    """The published grid around `synthetic` (target `synthetic_grid`, not part of `all`): all else as there."""

    seeds: Count = Field(description="trials")
    dimension: Annotated[list[Count], Distinct] = Field(min_length=1, description="dimensions d of the representations")
    log_scale: Annotated[list[LogScale], Distinct] = Field(min_length=1, description="initial log scales s0")
    norm_penalty: Annotated[list[NotNegative], Distinct] = Field(
        min_length=1, description="weights of the norm penalty"
    )
