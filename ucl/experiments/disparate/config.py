"""Section `disparate` of `params.yaml`."""

from typing import Annotated

from pydantic import Field

from ucl.experiments.settings import Count, Distinct, GaussianDistilling


class Disparate(GaussianDistilling):
    """Experiment `disparate` (section 6.2, Fig. 3 right): two models that share only the modality."""

    dimensions_bc: Annotated[list[Count], Distinct] = Field(
        min_length=1, description="dimensions of the B-C model's representations; the A-B model's is `dimension`"
    )
    evaluate_every: Count = Field(description="epochs between two points of the learning curves")

    def boxes(self, width: int) -> str:
        """Name of a pair of models in tables: `l2`, with the widths of their embeddings where these differ."""
        return "l2" if width == self.dimension else f"l2_{self.dimension}_{width}"
