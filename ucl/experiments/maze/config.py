"""Section `maze` of `params.yaml`."""

from typing import Annotated, Literal

from pydantic import Field

from ucl.experiments.mazes import (
    Annotations,
    Bank,
    DiscountOfPairs,
    LearningRate,
    Limit,
    MazeName,
    NoiseDegrees,
    Resolution,
    Starts,
    Trajectories,
    Width,
)
from ucl.experiments.settings import Count, Distinct, Section


class MazeData(Section):
    """What the agents of one maze learn from (section 6.3, D.2)."""

    trajectories: Trajectories
    annotations: Annotations
    noise_degrees: NoiseDegrees


class MazeTraining(Section):
    """Encoders of state-action, state and words, trained together."""

    seeds: Count = Field(description="models; each has its own initial weights, batches and starts")
    critic: Literal["cosine", "dot", "l2", "squared_l2"] = Field(description="critic of both kinds of pairs")
    dimension: Count = Field(description="dimension of the representations")
    width: Width
    batch: Annotated[int, Field(ge=2)] = Field(description="pairs of each kind in a batch")
    steps: Count = Field(description="training steps")
    learning_rate: LearningRate
    discount: DiscountOfPairs
    action_negatives: Annotated[int, Field(ge=0)] = Field(
        description="other actions at the same state that each action is told from; 0: negatives among states only"
    )


class MazeTest(Section):
    """How agents are tested."""

    starts: Starts
    limit: Limit
    bank: Bank
    resolution: Resolution


class Maze(MazeData, MazeTraining, MazeTest):
    """Experiment `maze` (section 6.3, appendix D, Figs. 9 to 13)."""

    mazes: Annotated[list[MazeName], Distinct] = Field(
        min_length=1, description="mazes, see `ucl maze list`; `fork` is always shown"
    )
    banks: Annotated[list[Count], Distinct] = Field(
        min_length=1, description="bank sizes of the study of bank size, in the maze `fork`"
    )
