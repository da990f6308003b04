"""Section `scaling` of `params.yaml`."""

from typing import Annotated

from pydantic import Field, model_validator

from ucl.experiments.settings import (
    Count,
    Dims,
    FileName,
    GaussianTraining,
    LogScale,
    NotNegative,
    Positive,
    Section,
    Text,
    check_decay,
)


class ScalingRun(Section):
    """What scoring a pair of embedding files against banks of growing size needs."""

    seed: Annotated[int, Field(ge=0)] = Field(description="seed of all draws")
    trials: Annotated[int, Field(ge=2)] = Field(description="repetitions, each with its own candidates and banks")
    candidates: Annotated[int, Field(ge=2)] = Field(description="candidates of a trial")
    queries: Count = Field(description="queries of a trial, the first of the candidates' partners")
    largest: Annotated[int, Field(ge=2)] = Field(description="samples in the largest bank")
    sizes: Annotated[int, Field(ge=2)] = Field(description="number of bank sizes, log-spaced from 1")

    @model_validator(mode="after")
    def _enough_candidates(self) -> "ScalingRun":
        if self.queries > self.candidates:
            raise ValueError(f"queries must be at most candidates ({self.candidates}): got {self.queries}")
        return self


class JointModel(Section):
    """A joint model: A and C each trained with B, in a Gaussian world of its own."""

    dims: Dims
    dimension: Count = Field(description="dimension d of the representations")


class Models(ScalingRun):
    """The joint models, and what they embed."""

    models: dict[FileName, JointModel] = Field(min_length=1, description="joint models to train, by role")
    noise: NotNegative = Field(description="standard deviation of the noise on each coordinate of A and of C")
    pairs: Annotated[int, Field(ge=2)] = Field(description="training pairs of (A, B) and of (B, C)")
    log_scale: LogScale = Field(description="initial log scale of the critic")
    epochs: Count = Field(description="passes over the training pairs")
    batch_size: Annotated[int, Field(ge=2)] = Field(description="pairs in a batch")
    learning_rate: Positive = Field(description="learning rate of Adam")
    decay_epoch: Count = Field(description="epoch from which the learning rate is a tenth; `epochs`: never")

    def training(self, model: str) -> GaussianTraining:
        """How one of the models is trained: a single seed of the Gaussian world."""
        own = {"seeds": 1, "validation": 2, "bank": 1, "candidates": 2, "norm_penalty": 0.0}
        shared = self.model_dump(include=set(GaussianTraining.model_fields) - {"candidates"})
        return GaussianTraining.model_validate(shared | own | self.models[model].model_dump())

    @model_validator(mode="after")
    def _decay_within_training(self) -> "Models":
        check_decay(self.decay_epoch, self.epochs)
        return self


class Scaling(Models):
    """Experiment `scaling` (appendix C.1, Fig. 5)."""

    files: dict[FileName, Text] = Field(
        description="embedding files (safetensors) of other models, by name; see ucl.experiments.scaling.summary"
    )
    bank_shards: Count = Field(description="jobs that score a model's banks, each a part of them; results are the same")

    @model_validator(mode="after")
    def _distinct_names(self) -> "Scaling":
        if both := set(self.models) & set(self.files):
            raise ValueError(f"models and files must have different names: both hold {', '.join(sorted(both))}")
        return self
