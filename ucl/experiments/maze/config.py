"""Section `maze` of `params.yaml`."""

from typing import Annotated, Literal

from pydantic import Field

from ucl.experiments.settings import Count, Distinct, Positive, Section
from ucl.maze.layouts import MAZES

MazeName = Literal[tuple(MAZES)]


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

    mazes: Annotated[list[MazeName], Distinct] = Field(
        min_length=1, description="mazes, see `ucl maze list`; `fork` is always shown"
    )
    banks: Annotated[list[Count], Distinct] = Field(
        min_length=1, description="bank sizes of the study of bank size, in the maze `fork`"
    )
