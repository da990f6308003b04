"""Section `diagnosis` of `params.yaml`, and the parts of it that its jobs need."""

from typing import Annotated, TypeVar

from pydantic import Field, model_validator

from ucl.experiments.scenes import SCENES
from ucl.experiments.settings import Count, Distinct, NotNegative, Positive, SceneName, SceneTraining, Section

Rows = Annotated[int, Field(ge=50)]  # what a diagnosis and the fit of a scale ask for
Few = Annotated[int, Field(ge=2)]
Self = TypeVar("Self", bound="Models")


class LargeBank(Section):
    """Standard errors against the score of a bank that hardly has one."""

    samples: Count = Field(description="samples of the large bank")
    rows: Count = Field(description="queries, and as many candidates, that are scored; at most `validation`")


class Models(SceneTraining):
    """The two models of a case, and what they embed."""

    samples: Rows = Field(description="unpaired samples of A, and of C, that simulated pairs are drawn from")
    held_out: Rows = Field(description="held-out pairs of each model")
    shift: Positive = Field(description="how far the bank from elsewhere lies off, in standard deviations of B")
    large_bank: LargeBank

    def of_case(self: Self, case: str) -> tuple[str, Self]:
        """The scene of a case, and its parameters."""
        if case in SCENES:
            return case, self
        return "dependent", self.model_copy(update={"shared_noise": float(case.removeprefix("dependent_"))})


class KnownPairs(Section):
    """The test of Assumption 1 on known pairs of (A, C)."""

    counts: Annotated[list[Few], Distinct] = Field(
        min_length=1, description="known pairs that the test is given; at most `validation`"
    )
    draws: Count = Field(description="times that so many of a seed's pairs are drawn")


class Judging(Models):
    """What the diagnosis of a case is asked."""

    opponents: Rows = Field(description="samples of C that candidates are drawn from; at most `samples`")
    known_pairs: KnownPairs


class Defects(Section):
    """Banks and scales that are not what they should be, to be found by `ucl check`."""

    scenes: Annotated[list[SceneName], Distinct] = Field(
        min_length=1, description="whose embeddings are spoilt; among the scenes of the experiment"
    )
    queries: Rows = Field(description="samples of A and of C that the check is shown; at most `samples`")
    pairs: Rows = Field(description="known pairs of each model that the check is shown; at most `held_out`")
    banks: Annotated[list[Few], Distinct] = Field(description="sizes of the bank; at most `bank`")
    displaced: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Distinct] = Field(
        description="shares of one side's rows that are other samples'"
    )


class Diagnosis(Judging):
    """Experiment `diagnosis`: what `ucl diagnose` and `ucl check` say, where the truth is known."""

    scenes: Annotated[list[SceneName], Distinct] = Field(min_length=1, description="worlds, and how they are learned")
    more_shared_noise: Annotated[list[NotNegative], Distinct] = Field(
        description="further sizes of the shared noise, each a case of its own beside the scene `dependent`"
    )
    defects: Defects

    @property
    def cases(self) -> list[str]:
        """What is judged: the scenes, and `dependent` with every further size of the shared noise."""
        return [*self.scenes, *(f"dependent_{sd}" for sd in self.more_shared_noise)]

    @model_validator(mode="after")
    def _enough_of_each(self) -> "Diagnosis":
        most = {
            "known_pairs.counts": (max(self.known_pairs.counts), "validation"),
            "large_bank.rows": (self.large_bank.rows, "validation"),
            "opponents": (self.opponents, "samples"),
            "defects.queries": (self.defects.queries, "samples"),
            "defects.pairs": (self.defects.pairs, "held_out"),
            "defects.banks": (max(self.defects.banks, default=2), "bank"),
        }
        for key, (value, limit) in most.items():
            if value > getattr(self, limit):
                raise ValueError(f"{key} must be at most {limit} ({getattr(self, limit)}): got {value}")
        unknown = [scene for scene in self.defects.scenes if scene not in self.scenes]
        if unknown:
            raise ValueError(f"defects.scenes must be among scenes: got {', '.join(unknown)}")
        return self
