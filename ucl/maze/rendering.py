"""Pictures of a maze as arrays of pixels: walls, the denoted cells, the agent and the way it came, the instruction."""

import os
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from ucl.maze.layouts import Layout

__all__ = ["Window", "draw_frame"]

CELL, WIDTH = 32, 384  # pixels: a cell at least, a picture at least
SMOOTH = 2  # drawn at twice the size, then halved
CAPTION = 28
PAPER, INK, WALL, GOAL, LINE = "#ffffff", "#222222", "#4a4f57", "#bfe3d0", "#ececec"
WAYS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7")


def draw_frame(
    layout: Layout,
    cells: Bool[np.ndarray, "rows columns"],
    ways: Sequence[Float[np.ndarray, "_ 2"]],
    text: str,
    colours: Sequence[str] = WAYS,
) -> UInt8[np.ndarray, "height width 3"]:
    """The maze with `cells` marked, each of `ways` as a line that ends in its agent, and `text` above it all."""
    rows, columns = layout.shape
    cell = max(CELL, 2 * -(-WIDTH // (2 * columns)))
    unit = cell * SMOOTH
    image = Image.new("RGB", (columns * unit, rows * unit), PAPER)
    draw = ImageDraw.Draw(image)
    for row, column in np.ndindex(rows, columns):
        fill = WALL if not layout.free[row, column] else GOAL if cells[row, column] else PAPER
        box = (column * unit, row * unit, (column + 1) * unit - 1, (row + 1) * unit - 1)
        draw.rectangle(box, fill=fill, outline=WALL if fill == WALL else LINE)
    for way, colour in zip(ways, colours, strict=False):
        _draw_way(draw, way * unit, colour)
    image = image.resize((columns * cell, rows * cell), Image.Resampling.LANCZOS)
    whole = Image.new("RGB", (image.width, image.height + CAPTION), PAPER)
    whole.paste(image, (0, CAPTION))
    _write(ImageDraw.Draw(whole), text, whole.width)
    return np.array(whole)


def _draw_way(draw: ImageDraw.ImageDraw, way: Float[np.ndarray, "_ 2"], colour: str) -> None:
    points = [(float(x), float(y)) for x, y in way]
    if len(points) > 1:
        draw.line(points, fill=colour, width=CELL // 5, joint="curve")
    (x0, y0), (x, y), dot, radius = points[0], points[-1], CELL / 5, CELL / 3
    draw.ellipse((x0 - dot, y0 - dot, x0 + dot, y0 + dot), fill=colour)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour, outline=PAPER, width=CELL // 10)


def _write(draw: ImageDraw.ImageDraw, text: str, width: int) -> None:
    """The text in the largest size up to 15 that fits; cut where even the smallest does not."""
    sizes = range(15, 7, -1)
    fonts = [ImageFont.load_default(size) for size in sizes]
    font = next((font for font in fonts if draw.textlength(text, font) <= width - 8), fonts[-1])
    while draw.textlength(text, font) > width - 8:
        text = text[:-2] + "…"
    draw.text((4, CAPTION / 2), text, fill=INK, font=font, anchor="lm")


class Window:
    """A window that shows frames; pygame is loaded only for those who watch."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        import pygame

        self._pygame = pygame
        pygame.display.init()
        pygame.display.set_caption("ucl maze")
        self._screen = pygame.display.set_mode((shape[1], shape[0]))
        self._clock = pygame.time.Clock()

    def show(self, frame: UInt8[np.ndarray, "height width 3"], frames_per_second: int) -> None:
        """Show a frame and wait for its turn."""
        self._screen.blit(self._pygame.surfarray.make_surface(frame.swapaxes(0, 1)), (0, 0))
        self._pygame.event.pump()
        self._pygame.display.flip()
        self._clock.tick(frames_per_second)

    def close(self) -> None:
        """Close the window."""
        self._pygame.display.quit()
