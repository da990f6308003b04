"""Section `independence` of `params.yaml`."""

from typing import Annotated

from pydantic import Field

from ucl.experiments.settings import Distinct, GaussianDistilling, NotNegative


class Independence(GaussianDistilling):
    """Experiment `independence` (appendix C.4, Fig. 8): noise that A and C share and B does not see."""

    shared_noise: Annotated[list[NotNegative], Distinct] = Field(
        min_length=1, description="standard deviations of the shared noise"
    )
