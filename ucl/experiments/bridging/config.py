"""Sections `bridging` and `media` of `params.yaml`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ucl.experiments.settings import Count, Distinct, FileName, NotNegative, Positive, Section, Text


class EmbedDims(Section):
    """Widths of the embeddings of digits; unlike widths, as of models from different makers."""

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

    validation: Annotated[list[Text], Distinct] = Field(min_length=1, description="on whom settings may be chosen")
    test: Annotated[list[Text], Distinct] = Field(min_length=1, description="on whom the report's numbers are measured")

    @model_validator(mode="after")
    def _apart(self) -> "HeldOut":
        if both := set(self.validation) & set(self.test):
            raise ValueError(f"validation and test must be apart: both hold {', '.join(sorted(both))}")
        return self


SuiteName = Literal["digits", "recorded_digits", "stamps", "audioset", "folder"]


class StampsTraining(Section):
    """Training of a model of the suite `stamps`."""

    width: Count = Field(description="width of the embeddings")
    hidden: Count = Field(description="width of the layers between")
    steps: Annotated[int, Field(ge=20)] = Field(description="optimiser steps, at most")
    batch: Annotated[int, Field(ge=2)] = Field(description="groups of stamps in a step, one stamp of each; classes too")
    learning_rate: Positive = Field(description="peak learning rate (AdamW, one cycle)")
    weight_decay: NotNegative = Field(description="weight decay of AdamW")
    pseudo: NotNegative = Field(description="weight of the loss on pairs of a class and its name")


class Stamps(Section):
    """Suite `stamps`: drawings, photographs, spoken captions and sounds of Tux Paint, on pretrained networks."""

    language: FileName = Field(description="language of the spoken captions: fr, ro, ru, bg, ca, es, be, el or da")
    splits: Count = Field(description="random splits of the stamps, each with its own models")
    test: Count = Field(description="groups of stamps that are tested on")
    validation: Count = Field(description="groups that say when training stops")
    image: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="share of the other groups that the image-text model is trained on; the rest is the speech model's"
    )
    folds: Annotated[int, Field(ge=3)] = Field(description="folds of the sound effects")
    candidates: Annotated[int, Field(ge=2)] = Field(description="candidates a query is ranked among; in folds, all")
    image_text: StampsTraining = Field(description="models of pictures and sounds, with captions or with each other")
    audio: StampsTraining = Field(description="models that hear speech")


class Bridging(Section):
    """Experiment `bridging` (sections 6.2.1, 6.2.2 and C.2)."""

    suites: Annotated[list[SuiteName], Distinct] = Field(
        min_length=1,
        description="what to bridge: digits (shipped), recorded_digits (DVC), stamps (Debian's package), audioset "
        "(network), folder (one's own)",
    )
    seeds: Count = Field(description="sets of encoders that are trained, each with its own draws; digits suites only")
    embed_dims: EmbedDims
    training: ContrastiveTraining
    candidates: Annotated[list[Annotated[int, Field(ge=2)]], Distinct] = Field(
        min_length=1, description="candidates a query is ranked among; the first number is the metrics'"
    )
    draws: Count = Field(description="random candidate sets per query")
    bank_sizes: Annotated[list[Count], Distinct] = Field(
        min_length=1, description="phrases in the bank; the whole grammar is added"
    )
    bank_draws: Count = Field(description="random banks per size and seed")
    distil_steps: Count = Field(description="steps of training of the distilled bridge; validation may stop it before")
    voices: HeldOut = Field(description="suite digits: synthetic voices")
    speakers: HeldOut = Field(description="suite recorded_digits: people")
    stamps: Stamps
    shown_misses: Annotated[int, Field(ge=0)] = Field(
        description="queries on the gallery page that LogSumExp misses; on that of stamps, queries a protocol"
    )
    bank_shards: Count = Field(description="suite folder: jobs that score the banks, each a part; results are the same")


class PretrainedModel(Section):
    """A pretrained contrastive model."""

    library: Literal["open_clip", "laion_clap", "imagebind", "languagebind", "precomputed"] = Field(
        description="who loads it"
    )
    model: Text = Field(description="architecture, by the library's name for it")
    weights: Text | None = Field(
        description="checkpoint: the library's or the hub's name, a path (precomputed: a folder), or null"
    )


class Media(Section):
    """Real media and pretrained models: suites `audioset`, `folder` and (its folder alone) `stamps` of `bridging`."""

    image_text: PretrainedModel = Field(description="model of images and texts")
    audio_text: PretrainedModel = Field(description="model of audio and texts")
    joint_text: PretrainedModel | None = Field(description="joint model with text in the middle, or null")
    joint_image: PretrainedModel | None = Field(description="joint model with images in the middle, or null")
    clips: Count = Field(description="AudioSet evaluation clips to ask for; those that cannot be had are logged")
    pause: NotNegative = Field(description="seconds between the beginnings of two downloads")
    stamps: Text = Field(description="suite `stamps`: folder of Tux Paint's stamps")
    manifest: Text = Field(description="suite `folder`: CSV or Parquet file with the columns id, audio, image, text")
    batch: Count = Field(description="items in a batch of the encoders")
    max_failed: Annotated[float, Field(ge=0, le=1)] = Field(description="share of files that may be unreadable")

    def models(self) -> dict[str, PretrainedModel]:
        """The models by role."""
        roles = ("image_text", "audio_text", "joint_text", "joint_image")
        return {role: getattr(self, role) for role in roles if getattr(self, role) is not None}
