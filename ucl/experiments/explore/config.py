"""Section `explore` of `params.yaml`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ucl.experiments.mazes import (
    Annotations,
    Bank,
    Discount,
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
from ucl.experiments.settings import Count, Distinct, Positive, Section

CriticName = Literal["dot", "squared_l2", "l2", "mrn"]
ObjectiveName = Literal["binary_nce", "info_nce", "info_nce_penalised"]
PLANNED = "squared_l2"  # the critic that `ucl.maze.exploration.interpolation` is derived for
SuiteName = Literal["pointmaze"]
PointMazeName = Literal["umaze", "medium", "large", "ogbench_medium", "ogbench_large", "ogbench_giant"]
Cell = Annotated[list[float], Field(min_length=2, max_length=2)]


class Walking(Section):
    """How agents gather experience."""

    rounds: Count = Field(description="rounds of walking and learning; in the first all actions are random")
    episodes: Count = Field(description="episodes of an agent in a round")
    episode_steps: Count = Field(description="environment steps of an episode, after which it is cut off")
    goals: Count = Field(description="goals that an agent draws in a round; its episodes share them")
    temperature: Positive = Field(description="of the softmax over 16 directions while exploring")
    capacity: Count = Field(description="episodes that a replay buffer holds")
    steps: Count = Field(description="training steps in a round")


class Critics(Section):
    """How critics are built and trained."""

    dimension: Annotated[int, Field(ge=2, multiple_of=2)] = Field(description="dimension of the representations")
    width: Width
    batch: Annotated[int, Field(ge=2)] = Field(description="pairs in a batch; each is told from the others' futures")
    learning_rate: LearningRate
    discount: DiscountOfPairs


class Oracle(Section):
    """The reference: the same agent, trained on an oracle's walks."""

    trajectories: Trajectories
    noise_degrees: NoiseDegrees
    action_negatives: Annotated[int, Field(ge=0)] = Field(
        description="other actions at the same state that each action is told from: an oracle never tries them"
    )
    steps: Count = Field(description="training steps")


class Reach(Section):
    """How agents are tested."""

    pairs: Count = Field(description="pairs of a start and a point to reach, in every maze the same for all agents")
    resolution: Resolution
    acting: Positive = Field(description="temperature of the softmax over 16 directions in tests")


class Comparison(Section):
    """Objectives and critics side by side, all objectives of a critic in one stack."""

    maze: MazeName = Field(description="where")
    critics: Annotated[list[CriticName], Distinct] = Field(min_length=1, description="critics")
    objectives: Annotated[list[ObjectiveName], Distinct] = Field(min_length=1, description="objectives")
    rounds: Count = Field(description="rounds")
    places: Count = Field(description="places whose distances are tested for the triangle inequality")


class Seeking(Section):
    """Emergent exploration: all episodes from one corner, and only ever one goal, far away."""

    maze: MazeName = Field(description="where")
    start: Cell = Field(description="x and y of the start of all episodes")
    goal: Cell = Field(description="x and y of the one goal")
    rounds: Count = Field(description="rounds")
    episodes: Count = Field(description="episodes of an agent in a round")
    steps: Count = Field(description="training steps in a round")


class Identity(Section):
    """Q = exp(f) rho on a small maze, against dynamic programming."""

    maze: MazeName = Field(description="where")
    rounds: Annotated[list[Count], Distinct] = Field(
        min_length=1, description="rounds after which the policy is looked at; 1: the random policy of the first"
    )
    goals: Count = Field(description="goals of the policy")
    walks: Count = Field(description="fresh walks of the policy that critics learn from")
    steps: Count = Field(description="training steps of the critic that is looked at")
    fine: Count = Field(description="squares of the exact law per side of a square of the policy")
    resolution: Count = Field(description="squares per side of a cell of the policy")
    discount: Discount = Field(description="of the future states")


class Words(Section):
    """Words for agents that found their own way, in the fork."""

    annotations: Annotations
    steps: Count = Field(description="training steps, on future states and words together")
    bank: Bank
    heard: Count = Field(description="texts that the distilled policy learns from")
    starts: Starts
    limit: Limit


class Planning(Section):
    """Planning by interpolation."""

    mazes: Annotated[list[MazeName], Distinct] = Field(min_length=1, description="where; each is one of `mazes`")
    bank: Count = Field(description="visited states that way-points are taken from")


class PointMaze(Section):
    """Suite `pointmaze`: the same agents, by the settings above, in MuJoCo environments of others."""

    environments: Annotated[list[PointMazeName], Distinct] = Field(
        min_length=1, description="umaze, medium and large of Gymnasium-Robotics; medium, large and giant of OGBench"
    )
    episodes: Count = Field(description="episodes of an agent in a round")
    repeat: Count = Field(description="steps of the environment for which an action is kept")
    pairs: Count = Field(description="pairs of a start and a goal, in every environment the same for all agents")


class Agents(Walking, Critics, Reach):
    """The agents of one maze and their references."""

    seeds: Count = Field(description="agents of a maze; each has its own weights, walks and replay buffer")
    critic: CriticName = Field(description="critic of the agents; planning by interpolation is for `squared_l2` alone")
    objective: ObjectiveName = Field(description="objective of the agents")
    oracle: Oracle


class Probed(Agents):
    """The agents, and what is looked at closely."""

    seeking: Seeking
    identity: Identity
    words: Words
    planning: Planning


class Explore(Probed):
    """Experiment `explore`: the maze agent without an oracle (slides, D.2)."""

    mazes: Annotated[list[MazeName], Distinct] = Field(
        min_length=1, description="mazes, see `ucl maze list`; `fork` is always explored"
    )
    comparison: Comparison
    suites: Annotated[list[SuiteName], Distinct] = Field(
        description="what else to run: pointmaze (needs the extra of that name), or nothing"
    )
    pointmaze: PointMaze

    @model_validator(mode="after")
    def _planning_is_possible(self) -> "Explore":
        if unknown := [maze for maze in self.planning.mazes if maze not in self.mazes]:
            raise ValueError(f"planning.mazes must be among mazes: got {', '.join(unknown)}")
        if self.critic != PLANNED:
            raise ValueError(f"critic must be {PLANNED}, whose way-points have a closed form: got {self.critic}")
        return self
