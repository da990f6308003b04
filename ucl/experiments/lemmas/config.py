"""Section `lemmas` of `params.yaml`."""

from typing import Annotated

from pydantic import Field

from ucl.experiments.settings import Count, Positive, Section


class Lemmas(Section):
    """Experiment `lemmas`: Lemmas 1 to 4, and the identities of the slides."""

    seed: Annotated[int, Field(ge=0)] = Field(description="seed of all draws")
    bank: Annotated[int, Field(ge=2)] = Field(description="samples of B in the banks of Lemmas 1 to 3")
    anchors: Count = Field(description="A's and C's compared in Lemmas 2 and 3")
    dimension: Annotated[int, Field(ge=2)] = Field(description="dimension of the representations")
    scales: Annotated[list[Positive], Field(min_length=2, max_length=2)] = Field(description="the scales of Lemma 2")
    sd: Positive = Field(description="standard deviation s of B in Lemma 3")
    samples: Count = Field(description="draws from each side of binary NCE")
    infonce_states: Annotated[int, Field(ge=2)] = Field(description="size of the alphabets that InfoNCE learns on")
    infonce_models: Annotated[int, Field(ge=3)] = Field(description="tables that learn apart, for the error bar")
    infonce_batch: Annotated[int, Field(ge=2)] = Field(description="pairs in a batch of InfoNCE")
    infonce_steps: Annotated[int, Field(ge=2)] = Field(description="steps of Adam")
    states: Annotated[int, Field(ge=2)] = Field(description="states of the MDP; size of the alphabets of Lemma 1")
    actions: Annotated[int, Field(ge=2)] = Field(description="actions of the MDP")
    gamma: Annotated[float, Field(gt=0, lt=1)] = Field(description="discount factor")
    trajectories: Count = Field(description="futures drawn in the MDP")
