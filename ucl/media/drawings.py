"""SVG drawings as pixels: no script in one runs, and no file but the drawing itself is opened."""

from pathlib import Path
from xml.etree import ElementTree

from ucl.extras import needs

__all__ = ["draw"]

WIDTH, HEIGHT = 512, 8192  # pixels that a drawing fills, as far as its shape lets it: a tall one fills the height
DPI = 96  # pixels of an inch, as in CSS; without, lengths in points or millimetres are nothing


def draw(path: str | Path) -> bytes:
    """A drawing as PNG, 512 pixels wide (less where it is more than 16 times as high), transparent where nothing is.

    Pictures in files of their own are left out, as browsers leave them out of an `<img>`: a drawing from elsewhere
    would bring them along. Raises errors of many types where a file is no drawing.
    """
    needs("media", "resvg_py")
    import resvg_py

    root = ElementTree.parse(path).getroot()
    for element in root.iter():
        for name in [name for name, value in element.items() if _leads_away(name, value)]:
            del element.attrib[name]
    text = ElementTree.tostring(root, "unicode")
    return resvg_py.svg_to_bytes(svg_string=text, width=WIDTH, height=HEIGHT, dpi=DPI)


def _leads_away(name: str, value: str) -> bool:
    """Whether an attribute is a reference (`href`, `xlink:href`) to something that is not in the drawing."""
    return name.rpartition("}")[2] == "href" and not value.startswith(("#", "data:"))
