"""A replay buffer that grows: where agents walked, round by round, as a GIF."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ucl.files import replacing
from ucl.maze.state_grid import Squares

__all__ = ["animate_buffer"]

CELL = 22  # pixels
LOW, HIGH = np.array([68, 1, 84]), np.array([253, 231, 37])  # the ends of viridis
WALL = np.array([74, 79, 87])


def animate_buffer(squares: Squares, visits: Any, walks: list[Any], path: Path, pause: int = 350) -> None:
    """`visits` [rounds, squares] add up from frame to frame; on the last map, `walks` [steps, 2] join one by one."""
    total = np.cumsum(visits, axis=0).astype(float)
    frames = []
    for number, seen in enumerate(total):
        frames += [_frame(squares, seen / total[-1].max(), f"round {number + 1}", [])] * 2
    for shown in range(1, len(walks) + 1):
        frames.append(_frame(squares, total[-1] / total[-1].max(), "latest walks", walks[:shown]))
    with replacing(path) as temporary:
        frames[0].save(
            temporary, format="GIF", save_all=True, append_images=frames[1:], duration=pause, loop=0, optimize=True
        )


def _frame(squares: Squares, level: Any, title: str, ways: list[Any]) -> Image.Image:
    rows, columns = (side * squares.resolution for side in squares.layout.shape)
    picture = np.tile(WALL, (rows, columns, 1)).astype(float)
    at = np.floor(squares.centres * squares.resolution).astype(int)
    share = np.sqrt(level)[:, None]
    picture[at[:, 1], at[:, 0]] = LOW + (HIGH - LOW) * share
    height, width = (side * CELL for side in squares.layout.shape)
    image = Image.new("RGB", (width, height + 18), "white")
    image.paste(Image.fromarray(picture.astype(np.uint8)).resize((width, height), Image.Resampling.NEAREST), (0, 18))
    pen = ImageDraw.Draw(image)
    pen.text((4, 3), title, fill="black")
    for way in ways:
        pen.line([(float(x) * CELL, float(y) * CELL + 18) for x, y in way], fill="white", width=2)
    return image.quantize(48)
