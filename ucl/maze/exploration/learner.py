"""Training of stacked critics on (state, action) and future states, by the objective that each model has."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ucl.learning.losses import info_nce
from ucl.learning.objectives import binary_nce, info_nce_penalised
from ucl.maze.exploration.replay import Experience
from ucl.maze.models import MazeModel
from ucl.maze.training import action_loss, with_other_actions
from ucl.runtime import generator

__all__ = ["OBJECTIVES", "Learner", "Learning"]

PENALTY = 0.1  # of the log-sum-exp penalty, as in JaxGCRL
Objective = Callable[[Float[Tensor, "s n n"]], Float[Tensor, " s"]]
OBJECTIVES: dict[str, Objective] = {
    "binary_nce": binary_nce,
    "info_nce": info_nce,
    "info_nce_penalised": partial(info_nce_penalised, weight=PENALTY),
}


@dataclass(frozen=True)
class Learning:
    """How critics are built and trained."""

    critic: str
    dimension: int  # of the representations
    width: int  # of hidden layers
    batch: int  # pairs in a batch; the future states of the others are each pair's negatives
    learning_rate: float  # the highest; it rises over a tenth of all steps
    discount: float
    action_negatives: int = 0  # other actions at the same state; data of one's own walks need none


class Learner:
    """S critics in training; each has its own seed and objective, and its course does not depend on the others'."""

    def __init__(
        self, learning: Learning, objectives: Sequence[str], seeds: Sequence[int], words: int, steps: int
    ) -> None:
        self.learning, self.objectives, self.seeds = learning, list(objectives), list(seeds)
        self.model = MazeModel(
            [generator(s, 1) for s in seeds], words, learning.critic, learning.width, learning.dimension
        )
        # log p(g | s, a) / p(g) is positive somewhere, which minus a distance never is. No action depends on it.
        self.offset = nn.Parameter(torch.zeros(len(self.seeds)))
        self.randoms = [generator(s, 2) for s in seeds]
        self.restart(steps)

    def restart(self, steps: int) -> None:
        """Begin a course of `steps` steps: the rate of learning rises over a tenth of them and falls to nothing."""
        rate, parameters = self.learning.learning_rate, [self.offset, *self.model.parameters()]
        self.optimiser = torch.optim.Adam(parameters, lr=rate, fused=True)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, partial(_share_of_rate, steps=steps))

    def fit(self, experience: Experience, steps: int) -> None:
        """Take `steps` steps."""
        for _ in range(steps):
            self.step(self.losses(experience))

    def step(self, losses: Float[Tensor, " s"]) -> None:
        """Take a step; models share no parameter, so the gradient of the sum trains each alone."""
        self.optimiser.zero_grad()
        losses.sum().backward()
        self.optimiser.step()
        self.schedule.step()

    def losses(self, experience: Experience) -> Float[Tensor, " s"]:
        """Every model's loss on a batch of its own."""
        recipe = self.learning
        states, actions, ahead = experience.sample(recipe.batch, recipe.discount, self.randoms)
        angles = with_other_actions(actions, recipe.action_negatives, self.randoms)
        taken, reached = self.model.encode_actions(states, angles), self.model.encode_state(ahead)
        logits = self.model.critic_future(taken[:, :, 0], reached) + self.offset[:, None, None]
        losses = torch.cat([OBJECTIVES[name](part) for name, part in self._by_objective(logits)])
        return losses + action_loss(self.model, taken, reached) if recipe.action_negatives else losses

    def _by_objective(self, logits: Float[Tensor, "s n n"]) -> list[tuple[str, Float[Tensor, "_ n n"]]]:
        """Runs of models with the same objective."""
        starts = [i for i, name in enumerate(self.objectives) if i == 0 or name != self.objectives[i - 1]]
        ends = [*starts[1:], len(self.objectives)]
        return [(self.objectives[a], logits[a:b]) for a, b in zip(starts, ends, strict=True)]


def _share_of_rate(step: int, steps: int) -> float:
    """Up over a tenth of the course, and down from its beginning to its end by a cosine."""
    return min(1.0, 10 * (step + 1) / steps) * (1 + math.cos(math.pi * min(1.0, step / steps))) / 2
