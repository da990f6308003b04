"""Section `distillation` of `params.yaml`."""

from typing import Annotated

from pydantic import Field, model_validator

from ucl.distilled.limits import FEWEST
from ucl.experiments.settings import Count, Distinct, Positive, SceneName, SceneTraining, Section

__all__ = ["Distillation", "Few", "Finding", "Playing"]

Samples = Annotated[int, Field(ge=FEWEST)]
Sizes = Annotated[list[Samples], Distinct, Field(min_length=1)]


class Few(Section):
    """Few samples: every bank with every number of samples."""

    banks: Sizes = Field(description="samples of B")
    samples: Sizes = Field(description="samples of A, and of C")


class Finding(Section):
    """An index of a made world: things of many kinds, embedded by two models that share nothing."""

    candidates: Count = Field(description="candidates in the index")
    queries: Count = Field(description="queries, asked one after the other")
    kinds: Count = Field(description="kinds of things")
    width: Count = Field(description="width of both models' embeddings")
    noise: Positive = Field(description="standard deviation of the noise on each of their coordinates")
    scales: list[Positive] = Field(min_length=2, max_length=2, description="scales of the A-B and the B-C critic")
    bank: Samples = Field(description="samples of B")
    samples: Samples = Field(description="samples of A, and of C, that the student is distilled from")
    depths: Annotated[list[Count], Distinct] = Field(min_length=1, description="candidates that are reranked")


class Playing(SceneTraining):
    """What is distilled from the models of a scene."""

    samples: Samples = Field(description="samples of A, and of C, where they are not what varies")
    steps: Count = Field(description="steps of training, where they are not what varies")
    banks: Sizes = Field(description="sizes of the bank")
    samples_from: Sizes = Field(description="numbers of samples of A, and of C; at most `pairs`")
    steps_from: Annotated[list[Count], Distinct] = Field(min_length=1, description="numbers of steps of training")
    few: Few

    @model_validator(mode="after")
    def _samples_are_training_data(self) -> "Playing":
        most = max(self.samples, *self.samples_from, *self.few.samples)
        if most > self.pairs:
            raise ValueError(f"samples are taken from the training pairs ({self.pairs}): got {most}")
        return self

    @property
    def largest_bank(self) -> int:
        """Samples of B that are embedded; smaller banks are its beginning."""
        return max(self.bank, *self.banks, *self.few.banks)

    @property
    def most_samples(self) -> int:
        """The same of A and C."""
        return max(self.samples, *self.samples_from, *self.few.samples)


class Distillation(Playing):
    """Experiment `distillation`: how much a distilled bridge needs, and what an index by it finds."""

    scenes: Annotated[list[SceneName], Distinct] = Field(min_length=1, description="worlds, and how they are learned")
    index: Finding
