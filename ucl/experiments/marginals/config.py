"""Section `marginals` of `params.yaml`."""

from typing import Annotated

from pydantic import Field

from ucl.experiments.settings import Count, CriticName, Distinct, GaussianTraining, Section


class SphereTests(Section):
    """Simulations of the tests of uniformity."""

    dimensions: Annotated[list[Annotated[int, Field(ge=2)]], Distinct] = Field(min_length=1, description="dimensions d")
    points: Annotated[int, Field(ge=3)] = Field(description="points in a sample")
    null_samples: Count = Field(description="uniform samples: the size of each test is measured on them")
    power_samples: Count = Field(description="samples of each alternative")


class GaussianTests(Section):
    """Simulations of the tests of normality."""

    dimensions: Annotated[list[Annotated[int, Field(ge=1)]], Distinct] = Field(min_length=1, description="dimensions d")
    points: Annotated[int, Field(ge=4)] = Field(description="points in a sample, at least 5/4 of the dimension")
    draws: Count = Field(description="null samples that calibrate the tests")
    null_samples: Count = Field(description="further null samples: the size of each test is measured on them")
    power_samples: Count = Field(description="samples of each alternative")


class Marginals(GaussianTraining):
    """Experiment `marginals` (section 6.2.2, appendix C.3, Fig. 7): what the representations' distribution is."""

    critics: Annotated[list[CriticName], Distinct] = Field(min_length=1, description="critics to train")
    scatter_dimension: Count = Field(description="dimension of the representations that are drawn as scatter plots")
    tested: Annotated[int, Field(ge=20)] = Field(description="validation points whose representations are tested")
    draws: Count = Field(description="null samples that calibrate the tests of normality on representations")
    example: Count = Field(description="samples of the von Mises-Fisher law that the paper's reading passes")
    sphere: SphereTests
    gaussian: GaussianTests
