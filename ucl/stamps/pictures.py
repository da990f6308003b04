"""Stamps as pictures on white paper: what is transparent in a PNG or a drawing (SVG) is not there."""

import io
from pathlib import Path

import resvg_py
from PIL import Image

from ucl.errors import one_line
from ucl.media.base import MediaError
from ucl.media.decode import check_regular, check_size, read_image

__all__ = ["read_picture"]

DRAWN = 512  # pixels of a drawing's width


def read_picture(path: str | Path) -> Image.Image:
    """A picture in RGB on white. SVG is drawn 512 wide; other formats as `ucl.media.decode.read_image` reads them."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".svg", ".png"):
        return read_image(path)
    check_regular(path)
    try:
        source = io.BytesIO(resvg_py.svg_to_bytes(svg_path=str(path), width=DRAWN)) if suffix == ".svg" else path
        with Image.open(source, formats=["PNG"]) as image:
            check_size(path, image.size)
            if not image.has_transparency_data:
                return read_image(path)
            layers = image.convert("RGBA")
    except MediaError:
        raise
    except Exception as error:  # a decoder's errors are of many types
        raise MediaError(path, one_line(error)) from None
    paper = Image.new("RGBA", layers.size, "white")
    paper.alpha_composite(layers)
    return paper.convert("RGB")
