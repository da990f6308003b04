"""Walking towards goals of one's own: all models' episodes side by side, in the motion of the vector environment.

There are no words here, so no cell ends an episode: each takes `steps` steps and is cut off.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ucl.maze import geometry
from ucl.maze.exploration.replay import ReplayBuffer
from ucl.maze.geometry import DIRECTIONS
from ucl.maze.models import MazeModel
from ucl.maze.policies import pick
from ucl.maze.state_grid import Squares

__all__ = ["collect", "goal_chances", "goal_scores"]

Chances = Float[np.ndarray, "s squares goals actions"]  # cumulative over actions


@torch.no_grad()
def goal_scores(
    model: MazeModel, squares: Squares, goals: Float[Tensor, "s goals 2"]
) -> Float[Tensor, "s squares actions goals"]:
    """f((s, a), g) of every square's middle, candidate direction and goal."""
    models = len(model.log_scale)
    centres = torch.from_numpy(squares.centres).float().expand(models, -1, -1)
    angles = torch.from_numpy(DIRECTIONS).float().expand(models, len(squares.centres), -1)
    actions = model.encode_actions(centres, angles)
    scores = model.critic_future(actions.flatten(1, 2), model.encode_state(goals))
    return scores.unflatten(1, actions.shape[1:3])


def goal_chances(model: MazeModel, squares: Squares, goals: Float[Tensor, "s goals 2"], temperature: float) -> Chances:
    """The softmax of f((s, a), g) / temperature over directions, summed up from the first to the last."""
    scores = goal_scores(model, squares, goals)
    return (scores / temperature).softmax(2).cumsum(2).transpose(2, 3).contiguous().numpy()


def collect(
    squares: Squares,
    starts: Float[np.ndarray, "s n 2"],
    steps: int,
    randoms: Sequence[np.random.Generator],
    chances: Chances | None = None,
    goals: Int[np.ndarray, "s n"] | None = None,
) -> ReplayBuffer:
    """Walk n episodes of every model: towards its goal, as `chances` says, or (None) anywhere, evenly."""
    models, n = starts.shape[:2]
    positions = starts.reshape(-1, 2)
    drawn = np.stack([random.random((steps, n)) for random in randoms], axis=1).reshape(steps, -1)
    model = np.repeat(np.arange(models), n)
    track, taken = [positions], []
    for uniform in drawn:
        if chances is None or goals is None:
            action = (uniform * len(DIRECTIONS)).astype(np.intp)
        else:
            action = pick(chances[model, squares.at(positions), goals.ravel()], uniform)
        taken.append(DIRECTIONS[action])
        positions = geometry.move(squares.layout, positions, taken[-1])
        track.append(positions)
    walked = torch.from_numpy(np.stack(track, axis=1)).float().unflatten(0, (models, n))
    return ReplayBuffer(walked, torch.from_numpy(np.stack(taken, axis=1)).float().unflatten(0, (models, n)))
