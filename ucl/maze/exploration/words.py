"""Words for an agent that found its own way: learned from annotated states alone, beside its own experience."""

from collections.abc import Sequence

import torch
from tqdm import trange

from ucl.learning.losses import info_nce
from ucl.maze.exploration.learner import Learner
from ucl.maze.exploration.replay import Experience
from ucl.maze.training import Annotations
from ucl.runtime import generator

__all__ = ["learn_words"]


def learn_words(
    learner: Learner, experience: Experience, annotations: Annotations, steps: int, *, progress: bool = True
) -> None:
    """Train on future states of the experience and on (state, words) together, for `steps` more steps.

    No action is ever paired with words. The encoder of states serves both kinds of pairs, so both go on.
    """
    model, recipe = learner.model, learner.learning
    randoms: Sequence[torch.Generator] = [generator(seed, 9) for seed in learner.seeds]
    learner.restart(steps)
    for _ in trange(steps, desc="words", unit="step", disable=not progress):
        said = [annotations.sample(recipe.batch, g) for g in randoms]
        places, ids = (torch.stack(parts) for parts in zip(*said, strict=True))
        words = info_nce(model.critic_words(model.encode_state(places), model.encode_words(ids)))
        learner.step(learner.losses(experience) + words)
