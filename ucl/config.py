"""What `params.yaml` may say: one model per experiment, checked before any job starts."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from ucl.errors import InputError

__all__ = ["Params", "Section", "describe", "load_params", "validate"]

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
CriticName = Literal["cosine", "dot", "l2"]
SceneName = Literal[
    "gaussian_l2",
    "gaussian_squared_l2",
    "gaussian_dot",
    "gaussian_cosine",
    "disparate",
    "dependent",
    "multimodal",
    "xor",
]


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
    log_scale: Annotated[float, Field(allow_inf_nan=False)] = Field(
        description="initial value s0 of the learned log scale s; scores are exp(s) times the similarity"
    )
    norm_penalty: NotNegative = Field(description="weight of the mean squared norm of the representations in the loss")
    epochs: Count = Field(description="passes over the training pairs")
    batch_size: Annotated[int, Field(ge=2)] = Field(description="pairs in a batch")
    learning_rate: Positive = Field(description="learning rate of Adam")
    decay_epoch: Count = Field(description="epoch from which the learning rate is a tenth")
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


class Synthetic(GaussianTraining):
    """Experiment `synthetic` (section 6.1, Fig. 3)."""

    critics: list[CriticName] = Field(min_length=1, description="critics to train")


class SyntheticGrid(Section):
    """The published grid around `synthetic` (target `synthetic_grid`, not part of `all`): all else as there."""

    seeds: Count = Field(description="trials")
    dimension: list[Count] = Field(min_length=1, description="dimensions d of the representations")
    log_scale: list[float] = Field(min_length=1, description="initial log scales s0")
    norm_penalty: list[NotNegative] = Field(min_length=1, description="weights of the norm penalty")


class Disparate(GaussianTraining):
    """Experiment `disparate` (section 6.2, Fig. 3 right): two models that share only the modality."""

    dimensions_bc: list[Count] = Field(
        min_length=1, description="dimensions of the B-C model's representations; the A-B model's is `dimension`"
    )
    evaluate_every: Count = Field(description="epochs between two points of the learning curves")

    def boxes(self, width: int) -> str:
        """Name of a pair of models in tables: `l2`, with the widths of their embeddings where these differ."""
        return "l2" if width == self.dimension else f"l2_{self.dimension}_{width}"


class Independence(GaussianTraining):
    """Experiment `independence` (appendix C.4, Fig. 8): noise that A and C share and B does not see."""

    shared_noise: list[NotNegative] = Field(min_length=1, description="standard deviations of the shared noise")


class SphereTests(Section):
    """Simulations of the tests of uniformity."""

    dimensions: list[Annotated[int, Field(ge=2)]] = Field(min_length=1, description="dimensions d")
    points: Annotated[int, Field(ge=3)] = Field(description="points in a sample")
    null_samples: Count = Field(description="uniform samples: the size of each test is measured on them")
    power_samples: Count = Field(description="samples of each alternative")


class GaussianTests(Section):
    """Simulations of the tests of normality."""

    dimensions: list[Annotated[int, Field(ge=1)]] = Field(min_length=1, description="dimensions d")
    points: Annotated[int, Field(ge=4)] = Field(description="points in a sample, at least 5/4 of the dimension")
    draws: Count = Field(description="null samples that calibrate the tests")
    null_samples: Count = Field(description="further null samples: the size of each test is measured on them")
    power_samples: Count = Field(description="samples of each alternative")


class Marginals(GaussianTraining):
    """Experiment `marginals` (section 6.2.2, appendix C.3, Fig. 7): what the representations' distribution is."""

    critics: list[CriticName] = Field(min_length=1, description="critics to train")
    scatter_dimension: Count = Field(description="dimension of the representations that are drawn as scatter plots")
    tested: Annotated[int, Field(ge=20)] = Field(description="validation points whose representations are tested")
    draws: Count = Field(description="null samples that calibrate the tests of normality on representations")
    example: Count = Field(description="samples of the von Mises-Fisher law that the paper's reading passes")
    sphere: SphereTests
    gaussian: GaussianTests


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


class Contest(GaussianTraining):
    """Experiment `peers`: every way to bridge, on every world whose truth is known."""

    scenes: list[SceneName] = Field(min_length=1, description="worlds, and how they are learned")
    memory: Count = Field(description="training samples of A and of C that C-MCR sees; of B that Symile sums over")
    shared_noise: NotNegative = Field(description="standard deviation of the shared noise in the world `dependent`")
    wide: WideEncoders
    multimodal: Multimodal
    xor: Xor


class EmbedDims(Section):
    """Widths of the embeddings; unlike widths, as of models from different makers."""

    image_text: Count = Field(description="of the image-text model (CLIP's role)")
    audio_text: Count = Field(description="of the audio-text model (CLAP's role)")
    audio_image: Count = Field(description="of the audio-image model (the ground truth of audio to image)")
    joint: Count = Field(description="of the joint models (LanguageBind's and ImageBind's roles)")


class ContrastiveTraining(Section):
    """Training of the encoders of digits."""

    width: Annotated[int, Field(ge=16, multiple_of=16)] = Field(description="width of the transformers; 16 a head")
    layers: Count = Field(description="layers of the transformers")
    steps: Annotated[int, Field(ge=10)] = Field(description="optimiser steps of every model")
    batch: Annotated[int, Field(ge=2)] = Field(description="pairs of each kind in a step")
    learning_rate: Positive = Field(description="peak learning rate of the transformers (AdamW, one cycle)")
    fast_learning_rate: Positive = Field(description="peak learning rate of the convolutions and perceptrons")
    weight_decay: NotNegative = Field(description="weight decay of AdamW")


class HeldOut(Section):
    """Voices or speakers that training never hears."""

    validation: list[str] = Field(min_length=1, description="on whom settings may be chosen")
    test: list[str] = Field(min_length=1, description="on whom the report's numbers are measured")


SuiteName = Literal["digits", "recorded_digits", "audioset", "folder"]


class Bridging(Section):
    """Experiment `bridging` (sections 6.2.1, 6.2.2 and C.2)."""

    suites: list[SuiteName] = Field(
        min_length=1,
        description="what to bridge: digits (shipped), recorded_digits (DVC), audioset (network), folder (one's own)",
    )
    seeds: Count = Field(description="sets of encoders that are trained, each with its own draws; digits suites only")
    embed_dims: EmbedDims
    training: ContrastiveTraining
    candidates: list[Annotated[int, Field(ge=2)]] = Field(
        min_length=1, description="candidates a query is ranked among; the first number is the metrics'"
    )
    draws: Count = Field(description="random candidate sets per query")
    bank_sizes: list[Count] = Field(min_length=1, description="phrases in the bank; the whole grammar is added")
    bank_draws: Count = Field(description="random banks per size and seed")
    voices: HeldOut = Field(description="suite digits: synthetic voices")
    speakers: HeldOut = Field(description="suite recorded_digits: people")
    shown_misses: Annotated[int, Field(ge=0)] = Field(description="queries on the gallery page that LogSumExp misses")


MazeName = Literal[
    "blank", "slit", "blocker", "island", "fork", "pyramid", "nested_pyramid", "umaze", "medium", "large"
]


class MazeData(Section):
    """What the agents of one maze learn from (section 6.3, D.2)."""

    trajectories: Count = Field(description="walks of the breadth-first oracle")
    annotations: Count = Field(description="states with a phrase that is true of them")
    noise_degrees: Positive = Field(description="standard deviation of the noise on the oracle's angles, in degrees")


class MazeTraining(Section):
    """Encoders of state-action, state and words, trained together."""

    seeds: Count = Field(description="models; each has its own initial weights, batches and starts")
    critic: Literal["cosine", "dot", "l2", "squared_l2"] = Field(description="critic of both kinds of pairs")
    dimension: Count = Field(description="dimension of the representations")
    width: Annotated[int, Field(ge=8)] = Field(description="width of hidden layers; word vectors have a quarter of it")
    batch: Annotated[int, Field(ge=2)] = Field(description="pairs of each kind in a batch")
    steps: Count = Field(description="training steps")
    learning_rate: Positive = Field(description="highest learning rate of Adam; it rises over a tenth of the steps")
    discount: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="a future state lies n steps ahead with probability (1 - discount) discount^(n - 1)"
    )
    action_negatives: Annotated[int, Field(ge=0)] = Field(
        description="other actions at the same state that each action is told from; 0: negatives among states only"
    )


class MazeTest(Section):
    """How agents are tested."""

    starts: Count = Field(description="starts per instruction and seed")
    limit: Count = Field(description="steps after which an episode counts as failed")
    bank: Count = Field(description="states in the bank of LogSumExp")
    resolution: Count = Field(description="squares per side of a cell in the tables that policies act on")


class Maze(MazeData, MazeTraining, MazeTest):
    """Experiment `maze` (section 6.3, appendix D, Figs. 9 to 13)."""

    mazes: list[MazeName] = Field(min_length=1, description="mazes, see `ucl maze list`; `fork` is always shown")
    banks: list[Count] = Field(min_length=1, description="bank sizes of the study of bank size, in the maze `fork`")


class PretrainedModel(Section):
    """A pretrained contrastive model."""

    library: Literal["open_clip", "laion_clap", "imagebind", "languagebind", "precomputed"] = Field(
        description="who loads it"
    )
    model: str = Field(description="architecture, by the library's name for it")
    weights: str | None = Field(
        description="checkpoint: the library's or the hub's name, a path (precomputed: a folder), or null"
    )


class Media(Section):
    """Real media and pretrained models: suites `audioset` and `folder` of `bridging` (section 6.2.1)."""

    image_text: PretrainedModel = Field(description="model of images and texts")
    audio_text: PretrainedModel = Field(description="model of audio and texts")
    joint_text: PretrainedModel | None = Field(description="joint model with text in the middle, or null")
    joint_image: PretrainedModel | None = Field(description="joint model with images in the middle, or null")
    clips: Count = Field(description="AudioSet evaluation clips to ask for; those that cannot be had are logged")
    pause: NotNegative = Field(description="seconds between the beginnings of two downloads")
    manifest: str = Field(description="suite `folder`: CSV or Parquet file with the columns id, audio, image, text")
    batch: Count = Field(description="items in a batch of the encoders")
    max_failed: Annotated[float, Field(ge=0, le=1)] = Field(description="share of files that may be unreadable")

    def models(self) -> dict[str, PretrainedModel]:
        """The models by role."""
        roles = ("image_text", "audio_text", "joint_text", "joint_image")
        return {role: getattr(self, role) for role in roles if getattr(self, role) is not None}


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


class Scaling(ScalingRun):
    """Experiment `scaling` (appendix C.1, Fig. 5)."""

    models: dict[str, JointModel] = Field(min_length=1, description="joint models to train, by role")
    files: dict[str, str] = Field(description="embedding files (safetensors) of other models, by name; see ucl.scaling")
    noise: NotNegative = Field(description="standard deviation of the noise on each coordinate of A and of C")
    pairs: Annotated[int, Field(ge=2)] = Field(description="training pairs of (A, B) and of (B, C)")
    log_scale: Annotated[float, Field(allow_inf_nan=False)] = Field(description="initial log scale of the critic")
    epochs: Count = Field(description="passes over the training pairs")
    batch_size: Annotated[int, Field(ge=2)] = Field(description="pairs in a batch")
    learning_rate: Positive = Field(description="learning rate of Adam")
    decay_epoch: Count = Field(description="epoch from which the learning rate is a tenth")

    def training(self, model: str) -> GaussianTraining:
        """How one of the models is trained: a single seed of the Gaussian world."""
        own = {"seeds": 1, "validation": 2, "bank": 1, "candidates": 2, "norm_penalty": 0.0}
        shared = self.model_dump(include=set(GaussianTraining.model_fields) - {"candidates"})
        return GaussianTraining.model_validate(shared | own | self.models[model].model_dump())

    @model_validator(mode="after")
    def _distinct_names(self) -> "Scaling":
        if both := set(self.models) & set(self.files):
            raise ValueError(f"models and files must have different names: both hold {', '.join(sorted(both))}")
        return self


class Params(Section):
    """All of `params.yaml`."""

    synthetic: Synthetic
    synthetic_grid: SyntheticGrid
    disparate: Disparate
    independence: Independence
    marginals: Marginals
    peers: Contest
    bridging: Bridging
    media: Media
    lemmas: Lemmas
    scaling: Scaling
    maze: Maze


def validate(config: Mapping[str, Any]) -> Params:
    """Check a configuration; the error is one line with the key, the value and what is allowed."""
    try:
        return Params.model_validate(config)
    except ValidationError as error:
        lines = [_explain(detail, Params) for detail in error.errors()]
        raise InputError("; ".join(f"params.yaml: {line}" for line in lines)) from None


def load_params(path: str | Path) -> Params:
    """Read and check a parameter file."""
    return validate(yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {})


def describe(model: type[BaseModel], values: BaseModel, prefix: str = "") -> list[tuple[str, Any, str]]:
    """Every key with its value and its meaning, in the order of the file."""
    rows: list[tuple[str, Any, str]] = []
    for name, field in model.model_fields.items():
        key, value = f"{prefix}{name}", getattr(values, name)
        if isinstance(value, BaseModel):
            rows += describe(type(value), value, f"{key}.")
        else:
            rows.append((key, value, field.description or ""))
    return rows


def _explain(detail: ErrorDetails, model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        allowed = _keys(model, detail["loc"][:-1])
        close = difflib.get_close_matches(str(detail["loc"][-1]), allowed, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        return f"{key} = {detail['input']!r}: unknown key; {hint}allowed: {', '.join(allowed)}"
    if detail["type"] == "missing":
        return f"{key}: missing; add it (see `ucl params` for what it means)"
    message = detail["msg"].removeprefix("Value error, ")
    value = "" if isinstance(detail["input"], Mapping) else f" = {detail['input']!r}"
    return f"{key}{value}: {message[0].lower()}{message[1:]}"


def _keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        annotation = model.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
