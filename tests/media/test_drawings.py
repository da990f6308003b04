"""Pictures on paper: drawings (SVG), and what is transparent; a drawing runs nothing and brings no other file along."""

import base64
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ucl.media.base import MediaError
from ucl.media.decode import read_image

RED, GREEN, BLUE, PAPER = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'


def svg(path: Path, inside: str, size: str = 'width="8" height="4"', before: str = "") -> Path:
    path.write_text(f'{before}<svg xmlns="http://www.w3.org/2000/svg" {XLINK} {size}>{inside}</svg>', encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["frog.svg", "FROG.SVG"])
def test_a_drawing_is_drawn_on_paper(name, tmp_path):
    picture = read_image(svg(tmp_path / name, '<rect width="4" height="4" fill="red"/>'))
    assert (picture.mode, picture.size) == ("RGB", (512, 256))
    assert (picture.getpixel((100, 100)), picture.getpixel((400, 100))) == (RED, PAPER)


@pytest.mark.parametrize(("unit", "pixels"), [("px", 1), ("pt", 4 / 3), ("pc", 16), ("in", 96)])
def test_lengths_have_units(unit, pixels, tmp_path):
    """A square of three units, an eighth of the height; the size of the drawing is said in units, or in pixels."""
    inside = f'<rect width="3{unit}" height="3{unit}" fill="red"/>'
    for size in (f'width="48{unit}" height="24{unit}"', f'width="{48 * pixels:g}" height="{24 * pixels:g}px"'):
        picture = np.asarray(read_image(svg(tmp_path / "x.svg", inside, size)))
        assert picture.shape == (256, 512, 3)
        assert (picture[:32, :32] == RED).all()
        assert (picture[32:] == PAPER).all()
        assert (picture[:, 32:] == PAPER).all()


def test_what_is_transparent_is_paper_in_every_format(tmp_path):
    hidden = np.array([[[255, 0, 0, 255], [0, 0, 255, 0], [0, 0, 0, 102]]], np.uint8).repeat(4, 0)
    grey = Image.fromarray(hidden[..., [0, 3]], "LA")
    for name, image in {"a.png": Image.fromarray(hidden), "b.tif": Image.fromarray(hidden), "c.png": grey}.items():
        image.save(tmp_path / name)
    Image.fromarray(hidden).save(tmp_path / "d.webp", lossless=True, exact=True)
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([*RED, *BLUE])
    for name in ("e.png", "f.gif"):
        palette.save(tmp_path / name, transparency=1)
    for path in sorted(tmp_path.iterdir()):
        first, second, *third = np.asarray(read_image(path))[0].tolist()
        assert first == list(PAPER if path.name == "c.png" else RED)
        assert second == list(PAPER)
        assert third in ([], [[153] * 3])  # two fifths of black


def test_a_transparent_picture_is_turned_as_its_exif_data_say(tmp_path):
    image, exif = Image.new("RGBA", (2, 1), (*RED, 255)), Image.Exif()
    image.putpixel((1, 0), (0, 0, 0, 0))
    exif[0x0112] = 6
    image.save(tmp_path / "x.png", exif=exif)
    assert [read_image(tmp_path / "x.png").getpixel((0, y)) for y in (0, 1)] == [RED, PAPER]


def test_a_drawing_brings_no_other_file_along(tmp_path):
    """Neither by its path, nor through an entity or a filter; a picture that it holds itself is drawn."""
    Image.new("RGB", (9, 9), GREEN).save(tmp_path / "secret.png")
    held = "data:image/png;base64," + base64.b64encode((tmp_path / "secret.png").read_bytes()).decode()
    entity = f'<!DOCTYPE svg [<!ENTITY where "{tmp_path}/secret.png">]>'
    for reference, expected in (
        (held, GREEN), (f"{tmp_path}/secret.png", PAPER), (f" {tmp_path}/secret.png", PAPER), ("secret.png", PAPER),
        ((tmp_path / "secret.png").as_uri(), PAPER), ("&where;", PAPER),
    ):  # fmt: skip
        for name in ("href", "xlink:href"):
            image = f'<image width="8" height="8" {name}="{reference}"/>'
            drawn = read_image(svg(tmp_path / "x.svg", image, before=entity))
            assert drawn.getpixel((256, 128)) == expected, reference
    effect = f'<filter id="f"><feImage href="{tmp_path}/secret.png"/></filter>'
    effect += '<rect width="8" height="4" filter="url(#f)"/>'
    assert read_image(svg(tmp_path / "x.svg", effect)).getpixel((256, 128)) == PAPER
    used = '<rect id="r" width="4" height="4" fill="red"/><use href="#r" x="4"/>'
    assert read_image(svg(tmp_path / "x.svg", used)).getpixel((400, 100)) == RED


def test_what_cannot_be_drawn_says_why(tmp_path, monkeypatch):
    with pytest.raises(MediaError, match="no such file"):
        read_image(tmp_path / "none.svg")
    (tmp_path / "frog.svg").write_text("no drawing")
    with pytest.raises(MediaError, match="syntax error: line 1"):
        read_image(tmp_path / "frog.svg")
    with pytest.raises(MediaError, match="a side 200 times the other is the limit; cut it"):
        read_image(svg(tmp_path / "frog.svg", "", 'width="1" height="100000000"'))  # of which little is ever drawn
    svg(tmp_path / "frog.svg", "<g>" * 2000 + "</g>" * 2000)
    with pytest.raises(MediaError, match="recursion"):
        read_image(tmp_path / "frog.svg")
    monkeypatch.setattr("ucl.extras.find_spec", lambda name: None)
    with pytest.raises(MediaError, match=r"frog.svg: this needs resvg_py: pip install 'ucl\[media\]'"):
        read_image(svg(tmp_path / "frog.svg", ""))
