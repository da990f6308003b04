"""Pictures of stamps: what is transparent is paper, whatever the file's suffix looks like."""

import pytest
from PIL import Image

from ucl.media.base import MediaError
from ucl.stamps.pictures import read_picture

RED, PAPER = (255, 0, 0), (255, 255, 255)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="4"><rect width="4" height="4" fill="red"/></svg>'


@pytest.mark.parametrize("name", ["frog.svg", "FROG.SVG"])
def test_a_drawing_is_drawn_on_paper(name, tmp_path):
    (tmp_path / name).write_text(SVG)
    picture = read_picture(tmp_path / name)
    assert (picture.mode, picture.size) == ("RGB", (512, 256))
    assert (picture.getpixel((100, 100)), picture.getpixel((400, 100))) == (RED, PAPER)


@pytest.mark.parametrize("name", ["frog.png", "FROG.PNG"])
def test_what_is_transparent_in_a_png_is_paper(name, tmp_path):
    image = Image.new("RGBA", (2, 1), (*RED, 255))
    image.putpixel((1, 0), (0, 0, 255, 0))
    image.save(tmp_path / name)
    picture = read_picture(tmp_path / name)
    assert [picture.getpixel((x, 0)) for x in (0, 1)] == [RED, PAPER]


def test_other_pictures_are_read_as_everywhere(tmp_path):
    Image.new("RGB", (3, 2), RED).save(tmp_path / "frog.bmp")
    assert read_picture(tmp_path / "frog.bmp").getpixel((2, 1)) == RED


def test_what_cannot_be_read_says_why(tmp_path):
    with pytest.raises(MediaError, match="no such file"):
        read_picture(tmp_path / "none.svg")
    Image.new("RGBA", (1000, 2)).save(tmp_path / "strip.png")
    with pytest.raises(MediaError, match="1000 by 2 pixels: a side 200 times the other is the limit; cut it"):
        read_picture(tmp_path / "strip.png")
    (tmp_path / "frog.svg").write_text("no drawing")
    with pytest.raises(MediaError):
        read_picture(tmp_path / "frog.svg")
