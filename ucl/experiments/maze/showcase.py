"""The paper's example at close range: the fork, "the first column", what each agent sees and does (Figs. 11, 12)."""

import math

import numpy as np
import pandas as pd
import torch

from ucl.maze.example import INSTRUCTION, START
from ucl.maze.layouts import Layout
from ucl.maze.models import MazeModel, Tokenizer
from ucl.maze.state_grid import Squares

__all__ = ["TEXTS", "critic_maps", "embeddings"]

TEXTS = [INSTRUCTION, "the last column", "the first row", "the last row", "near the centre", "the top left corner"]


@torch.no_grad()
def critic_maps(layout: Layout, model: MazeModel, tokenizer: Tokenizer, resolution: int, seed: int = 0) -> pd.DataFrame:
    """Critics of one seed over the squares of the maze (Fig. 12): x, y, map, value.

    Maps: `words` (the instruction against every state), `left`, `right`, ... (an action at the start against every
    state), and `words + left`, ...: what LogSumExp adds up.
    """
    squares = Squares(layout, resolution)
    seeds = len(model.log_scale)
    centres = torch.from_numpy(squares.centres).float()
    states = model.encode_state(centres.expand(seeds, -1, -1))
    words = model.encode_words(tokenizer([INSTRUCTION]).expand(seeds, -1, -1))
    directions = {"right": 0.0, "down": math.pi / 2, "left": math.pi, "up": -math.pi / 2}
    here = torch.tensor(START).expand(seeds, 1, 2)
    actions = model.encode_actions(here, torch.tensor(list(directions.values())).expand(seeds, 1, -1))[:, 0]
    spoken = model.critic_words(words, states)[seed, 0]
    future = model.critic_future(actions, states)[seed]
    maps = {"words": spoken} | dict(zip(directions, future, strict=True))
    maps |= {f"words + {name}": spoken + maps[name] for name in directions}
    x, y = squares.centres.T
    return pd.concat([pd.DataFrame({"x": x, "y": y, "map": name, "value": v.numpy()}) for name, v in maps.items()])


@torch.no_grad()
def embeddings(
    layout: Layout, model: MazeModel, tokenizer: Tokenizer, texts: list[str], resolution: int, seed: int = 0
) -> pd.DataFrame:
    """States and words of one seed on the two main axes of the states' representations: kind, text, x, y, u, v."""
    squares = Squares(layout, resolution)
    seeds = len(model.log_scale)
    centres = torch.from_numpy(squares.centres).float()
    states = model.encode_state(centres.expand(seeds, -1, -1))[seed]
    words = model.encode_words(tokenizer(texts).expand(seeds, -1, -1))[seed]
    middle = states.mean(0)
    axes = torch.linalg.svd(states - middle, full_matrices=False).Vh[:2]
    axes = (
        axes * axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
    )  # a sign that does not depend on the machine
    u, v = ((states - middle) @ axes.T).T.numpy()
    x, y = squares.centres.T
    placed = pd.DataFrame({"kind": "state", "text": "", "x": x, "y": y, "u": u, "v": v})
    u, v = ((words - middle) @ axes.T).T.numpy()
    return pd.concat([placed, pd.DataFrame({"kind": "words", "text": texts, "x": np.nan, "y": np.nan, "u": u, "v": v})])
