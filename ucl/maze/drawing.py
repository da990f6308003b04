"""Mazes on paper and on the screen: one panel of a figure, and walks side by side as an animation."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from PIL import Image

from ucl.files import replacing
from ucl.maze.language import Grammar
from ucl.maze.layouts import Layout
from ucl.maze.rendering import draw_frame
from ucl.reporting.names import POLICY_COLOURS, POLICY_LABELS

__all__ = ["GOAL", "WALL", "animate", "draw_maze"]

WALL, GOAL = "#4a4f57", "#bfe3d0"


def animate(
    layout: Layout, instruction: str, ways: Mapping[str, Float[np.ndarray, "_ 2"]], path: str | Path, pause: int = 120
) -> None:
    """Walks of several policies side by side, as a GIF; `pause` in milliseconds."""
    cells = Grammar(layout).denotation(instruction)
    frames = []
    for step in range(max(map(len, ways.values())) + 5):
        sides = [
            draw_frame(
                layout, cells, [way[: step + 1]], f"{POLICY_LABELS[name]}: {instruction}", [POLICY_COLOURS[name]]
            )
            for name, way in ways.items()
        ]
        image = Image.fromarray(np.concatenate(sides, axis=1))
        frames.append(image.resize((image.width * 2 // 3, image.height * 2 // 3)).quantize(48))
    with replacing(path) as temporary:
        frames[0].save(temporary, save_all=True, append_images=frames[1:], duration=pause, loop=0, optimize=True)


def draw_maze(ax: Axes, layout: Layout, cells: Bool[np.ndarray, "rows columns"] | None = None) -> None:
    """Walls and, where given, the cells that an instruction denotes."""
    rows, columns = layout.shape
    picture = np.ones((rows, columns, 3))
    if cells is not None:
        picture[cells] = plt.matplotlib.colors.to_rgb(GOAL)  # type: ignore[attr-defined]
    picture[~layout.free] = plt.matplotlib.colors.to_rgb(WALL)  # type: ignore[attr-defined]
    ax.imshow(picture, extent=(0, columns, rows, 0), interpolation="nearest")
    ax.add_patch(plt.Rectangle((0, 0), columns, rows, fill=False, color=WALL, linewidth=1.2, clip_on=False))
    ax.set(xticks=[], yticks=[], xlim=(0, columns), ylim=(rows, 0))
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
