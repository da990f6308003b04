"""Section `distillation` of `params.yaml`."""

from itertools import product
from typing import Annotated, NamedTuple

from pydantic import Field, model_validator

from ucl.distilled.limits import FEWEST
from ucl.experiments.settings import Count, Distinct, Positive, SceneName, SceneTraining, Section

__all__ = ["Condition", "Distillation", "Few", "Finding", "Playing"]

Samples = Annotated[int, Field(ge=FEWEST)]
Sizes = Annotated[list[Samples], Distinct, Field(min_length=1)]
Scenes = Annotated[list[SceneName], Distinct, Field(min_length=1)]


class Condition(NamedTuple):
    """What there is to distil from, and for how long."""

    bank: int
    samples: int
    steps: int


class Few(Section):
    """Few samples: every bank with every number of samples."""

    scenes: Scenes = Field(description="worlds where samples are few")
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
    """What is distilled from the models of a scene, and by whom it is judged."""

    steps: Count = Field(description="steps of training, where they are not what varies")


class Distillation(Playing):
    """Experiment `distillation`: how much a distilled bridge needs, and what an index by it finds."""

    scenes: Scenes = Field(description="worlds where bank, samples and steps vary, and how they are learned")
    samples: Samples = Field(description="samples of A, and of C, where they are not what varies")
    banks: Sizes = Field(description="sizes of the bank")
    samples_from: Sizes = Field(description="numbers of samples of A, and of C; at most `pairs`")
    steps_from: Annotated[list[Count], Distinct] = Field(min_length=1, description="numbers of steps of training")
    few: Few
    index: Finding

    @model_validator(mode="after")
    def _samples_are_training_data(self) -> "Distillation":
        most = max(self.samples, *self.samples_from, *self.few.samples)
        if most > self.pairs:
            raise ValueError(f"samples are taken from the training pairs ({self.pairs}): got {most}")
        return self

    @property
    def every_scene(self) -> list[str]:
        """Those of the curves, then those of few samples alone."""
        return list(dict.fromkeys([*self.scenes, *self.few.scenes]))

    def conditions(self, scene: str) -> list[Condition]:
        """Each of the three varied with the others as they are, and all with few samples, where asked; each once."""
        usual, found = Condition(self.bank, self.samples, self.steps), []
        if scene in self.scenes:
            found.append(usual)
            found += [usual._replace(bank=bank) for bank in self.banks]
            found += [usual._replace(samples=samples) for samples in self.samples_from]
            found += [usual._replace(steps=steps) for steps in self.steps_from]
        if scene in self.few.scenes:
            sizes = product(self.few.banks, self.few.samples)
            found += [Condition(bank, samples, self.steps) for bank, samples in sizes]
        return list(dict.fromkeys(found))

    def most(self, scene: str) -> tuple[int, int]:
        """The samples of B, and of A and C, that are embedded; where there are fewer, they are the first of these."""
        conditions = self.conditions(scene)
        return max(each.bank for each in conditions), max(each.samples for each in conditions)
