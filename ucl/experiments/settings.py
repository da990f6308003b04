"""The vocabulary of `params.yaml`: kinds of values, and the sections that several experiments extend."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ucl.experiments.scenes import SCENES

__all__ = ["Section"]

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
LogScale = Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)]  # scales from 1/22,000 to 22,000
Text = Annotated[str, Field(min_length=1)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]  # a part of paths: no dot, no slash
CriticName = Literal["cosine", "dot", "l2"]
SceneName = Literal[tuple(SCENES)]


def _refuse_repeats(values: list[Any]) -> list[Any]:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise ValueError(f"{value!r} is repeated: list it once")
    return values


Distinct = AfterValidator(_refuse_repeats)


class Section(BaseModel):
    """One section of `params.yaml`. No key has a default in code: the file says everything."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def part(self, model: "type[Section]") -> dict[str, Any]:
        """The keys that `model` has, as plain values: a job gets only the parameters it needs."""
        return self.model_dump(include=set(model.model_fields))


class Dims(Section):
    """Dimensions of the modalities of the Gaussian world."""

    a: Count = Field(description="dimension of A")
    b: Count = Field(description="dimension of B, the shared modality")
    c: Count = Field(description="dimension of C")


class GaussianData(Section):
    """Draws from the Gaussian world (design: section 4)."""

    seeds: Count = Field(description="trials; each has its own world, data and initial weights")
    dims: Dims
    noise: NotNegative = Field(description="standard deviation of the noise on each coordinate of A and of C")
    pairs: Annotated[int, Field(ge=2)] = Field(description="training pairs of (A, B), of (B, C) and of (A, C)")
    validation: Count = Field(description="queries; at least `candidates`, at most `pairs`")
    bank: Count = Field(description="samples of B in the held-out bank")


class GaussianTraining(GaussianData):
    """Contrastive models of the Gaussian world."""

    dimension: Count = Field(description="dimension d of the representations")
    log_scale: LogScale = Field(
        description="initial value s0 of the learned log scale s; scores are exp(s) times the similarity"
    )
    norm_penalty: NotNegative = Field(description="weight of the mean squared norm of the representations in the loss")
    epochs: Count = Field(description="passes over the training pairs")
    batch_size: Annotated[int, Field(ge=2)] = Field(description="pairs in a batch")
    learning_rate: Positive = Field(description="learning rate of Adam")
    decay_epoch: Count = Field(description="epoch from which the learning rate is a tenth; `epochs`: never")
    candidates: Annotated[int, Field(ge=2)] = Field(description="candidates of the Recall@1 shown per epoch")

    @property
    def setting(self) -> str:
        """The model's setting as a file name, such as d8_s0.01_p0.0."""
        return f"d{self.dimension}_s{self.log_scale}_p{self.norm_penalty}"

    def at(self, setting: str) -> "GaussianTraining":
        """The same parameters at another setting."""
        d, s, p = (part[1:] for part in setting.split("_"))
        return self.model_copy(update={"dimension": int(d), "log_scale": float(s), "norm_penalty": float(p)})

    @model_validator(mode="after")
    def _enough_queries(self) -> "GaussianTraining":
        if not self.candidates <= self.validation <= self.pairs:
            raise ValueError(f"validation must lie between candidates ({self.candidates}) and pairs ({self.pairs})")
        return self

    @model_validator(mode="after")
    def _decay_within_training(self) -> "GaussianTraining":
        check_decay(self.decay_epoch, self.epochs)
        return self


class Distilling(Section):
    """A distilled bridge beside the others."""

    memory: Count = Field(description="training samples of A and of C, unpaired, that the distilled bridge sees")
    distil_steps: Count = Field(description="steps of training of the distilled bridge")


class GaussianDistilling(Distilling, GaussianTraining):
    """Models of the Gaussian world, and a distilled bridge beside the others."""


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


class SceneTraining(GaussianTraining):
    """Contrastive models of the scenes of `ucl.experiments.scenes`."""

    shared_noise: NotNegative = Field(description="standard deviation of the shared noise in the world `dependent`")
    wide: WideEncoders
    multimodal: Multimodal
    xor: Xor


def check_decay(decay_epoch: int, epochs: int) -> None:
    """Raise where the learning rate would decay after training has ended."""
    if decay_epoch > epochs:
        raise ValueError(f"decay_epoch must be at most epochs ({epochs}): got {decay_epoch}")
