"""The vocabulary of `params.yaml` that the experiments in mazes share: `maze` and `explore`."""

from typing import Annotated, Literal

from pydantic import Field

from ucl.experiments.settings import Count, Positive
from ucl.maze.layouts import MAZES

__all__ = [
    "Annotations", "Bank", "Discount", "DiscountOfPairs", "LearningRate", "Limit", "MazeName",
    "NoiseDegrees", "Resolution", "Starts", "Trajectories", "Width",
]  # fmt: skip

MazeName = Literal[tuple(MAZES)]

Trajectories = Annotated[Count, Field(description="walks of the breadth-first oracle")]
NoiseDegrees = Annotated[
    Positive, Field(description="standard deviation of the noise on the oracle's angles, in degrees")
]
Annotations = Annotated[Count, Field(description="states with a phrase that is true of them")]

Width = Annotated[int, Field(ge=8, description="width of hidden layers; word vectors have a quarter of it")]
LearningRate = Annotated[
    Positive, Field(description="highest learning rate of Adam; it rises over a tenth of the steps")
]
Discount = Annotated[float, Field(gt=0, lt=1)]
DiscountOfPairs = Annotated[
    Discount, Field(description="a future state lies n steps ahead with probability (1 - discount) discount^(n - 1)")
]

Bank = Annotated[Count, Field(description="states in the bank of LogSumExp")]
Starts = Annotated[Count, Field(description="starts per instruction and seed")]
Limit = Annotated[Count, Field(description="steps after which an episode counts as failed")]
Resolution = Annotated[Count, Field(description="squares per side of a cell in the tables that policies act on")]
