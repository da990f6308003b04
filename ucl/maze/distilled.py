"""The distilled policy: actions and words as vectors whose scaled cosine is the score, learned from the bank alone."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ucl.distilled.distil import distill_stack
from ucl.distilled.draws import Known
from ucl.distilled.report import weak_allowed
from ucl.distilled.student import Student
from ucl.distilled.training import Settings
from ucl.maze.geometry import DIRECTIONS
from ucl.maze.models import MazeModel
from ucl.maze.state_grid import Squares
from ucl.runtime import generator

__all__ = ["distilled_tables"]

STEPS = 500  # of training; validation stops early
ANGLES = 4  # actions at every state of the bank: the samples of A


@torch.no_grad()
def distilled_tables(
    model: MazeModel,
    squares: Squares,
    ids: Int[Tensor, "tasks length"],
    bank: Float[Tensor, "bank 2"],
    said: Int[Tensor, "words longest"],
) -> list[Float[Tensor, "squares actions tasks"]]:
    """Scores for `TablePolicy`, of every seed; all seeds' students are trained as one stack.

    Samples of A are random actions at the states of the bank, samples of C the words `said` about states of the data,
    without the states: no action is seen with words.
    """
    seeds = range(len(model.log_scale))
    angles = torch.from_numpy(DIRECTIONS).float()
    random = angles[torch.randint(len(angles), (len(bank), ANGLES), generator=generator(0, 51))]
    many = bank.expand(len(seeds), -1, -1)
    actions = model.encode_actions(many, random.expand(len(seeds), -1, -1)).flatten(1, 2)
    states, words = model.encode_state(many), model.encode_words(said.expand(len(seeds), -1, -1))
    scales, kind = model.log_scale.exp(), model.critic_type
    known = [
        Known(kind(float(scales[s, 0])), kind(float(scales[s, 1])), states[s], states[s], actions[s], words[s])
        for s in seeds
    ]
    with weak_allowed(), torch.enable_grad():  # the report shows how agents fare
        students = distill_stack(known, seeds, settings=Settings(steps=STEPS))
    return _tables(model, squares, ids, students)


def _tables(
    model: MazeModel, squares: Squares, ids: Int[Tensor, "tasks length"], students: list[Student]
) -> list[Float[Tensor, "squares actions tasks"]]:
    centres = torch.from_numpy(squares.centres).float().expand(len(students), -1, -1)
    angles = torch.from_numpy(DIRECTIONS).float().expand(len(students), centres.shape[1], -1)
    actions = model.encode_actions(centres, angles)
    words = model.encode_words(ids.expand(len(students), -1, -1))
    shape = actions.shape[1:3]
    flat = (own.score(a, w) for own, a, w in zip(students, actions.flatten(1, 2), words, strict=True))
    return [scores.unflatten(0, shape) for scores in flat]
