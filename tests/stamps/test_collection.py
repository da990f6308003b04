"""Stamps read from tiny folders that are made here, and the real ones where they are installed."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ucl.errors import InputError
from ucl.stamps.collection import read_captions, read_stamps
from ucl.stamps.groups import group_stamps
from ucl.stamps.splits import split_groups
from ucl.stamps.table import tabulate

REAL = Path("/usr/share/tuxpaint/stamps")


def make(folder: Path, name: str, text: str, *files: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(path.name + ".txt").write_text(text, encoding="utf-8")
    for file in files:
        path.with_name(file).write_bytes(name.encode())


def test_a_stamp_is_its_captions_and_the_files_beside_it(tmp_path):
    make(tmp_path, "animals/frog", "A frog.\nfr.utf8=Une grenouille.\nde.utf8=\n", "frog.svg", "frog.png", "frog.ogg")
    for file in ("frog_desc.ogg", "frog_desc_fr.ogg", "frog_desc_pt_BR.wav", "frog_desc_da.ogg.ogg", "frog_de.ogg"):
        (tmp_path / "animals" / file).touch()
    make(tmp_path, "animals/frog-1", "A frog on a leaf.\n", "frog-1.svg", "frog-1_desc_fr.ogg")
    frog, other = sorted(read_stamps(tmp_path), key=lambda stamp: len(stamp.name))
    assert frog.name == "animals/frog"
    assert frog.captions == {"en": "A frog.", "fr": "Une grenouille."}
    assert (frog.image.name, frog.sound.name) == ("frog.png", "frog.ogg")
    assert {language: path.name for language, path in frog.speech.items()} == {
        "en": "frog_desc.ogg",
        "fr": "frog_desc_fr.ogg",
        "pt_BR": "frog_desc_pt_BR.wav",
        "da": "frog_desc_da.ogg.ogg",
    }
    assert (other.name, other.image.name, other.sound) == ("animals/frog-1", "frog-1.svg", None)
    assert list(other.speech) == ["fr"]


LANGUAGES = st.sampled_from(["fr", "pt_BR", "ca@valencia", "ast"])
CAPTIONS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).map(str.strip).filter(bool)


@settings(max_examples=30)
@given(english=CAPTIONS, others=st.dictionaries(LANGUAGES, CAPTIONS))
def test_captions_are_read_as_they_were_written(tmp_path_factory, english, others):
    path = tmp_path_factory.getbasetemp() / "caption.txt"
    path.write_bytes("\n".join([english, *(f"{k}.utf8={v}" for k, v in others.items())]).encode())
    assert read_captions(path) == {"en": english, **others}


def test_what_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"no such folder; install Tux Paint's stamps .* or set media.stamps"):
        read_stamps(tmp_path / "none")
    with pytest.raises(InputError, match="expected stamps"):
        read_stamps(tmp_path)
    make(tmp_path, "frog", "A frog.\nnonsense\n")
    with pytest.raises(InputError, match=r"frog\.txt:2: expected language\.utf8=caption, got 'nonsense'"):
        read_stamps(tmp_path)
    make(tmp_path, "frog", "A frog.\nfr.utf8=Une grenouille.\n", "frog_desc_ro.ogg")
    with pytest.raises(InputError, match="no stamp is read aloud in 'fr'; languages here: ro"):
        tabulate(read_stamps(tmp_path), "fr")


def test_stamps_of_one_thing_are_one_group():
    """Joined by a caption, by a name without its variants, through others; digits alone are no variant."""
    keys = {
        "animals/frog": ["en: A frog."],
        "animals/frog-1": ["en: A green thing."],
        "animals/cartoon/frog_red": ["en: Funny."],
        "plants/leaf": ["en: the frog"],
        "symbols/1": ["en: One."],
        "symbols/2": ["en: Two."],
        "food/frog": ["en: A meal."],
    }
    groups = group_stamps(keys)
    assert Counter(groups.values()) == {"animals/cartoon/frog_red": 4, "symbols/1": 1, "symbols/2": 1, "food/frog": 1}


@settings(max_examples=20)
@given(st.integers(20, 60), st.integers(0, 5), st.floats(0.2, 0.8))
def test_splits_share_no_group_and_leave_none_out(count, seed, image):
    groups = [f"g{i}" for i in range(count)]
    parts = split_groups(groups * 2, {"test": 5, "validation": 4, "image": image}, seed)
    sizes = Counter(parts.values())
    assert set(parts) == set(groups)
    assert (sizes["test"], sizes["validation"]) == (5, 4)
    assert abs(sizes["image"] - image * (count - 9)) <= 0.5
    assert parts == split_groups(groups, {"test": 5, "validation": 4, "image": image}, seed)


def test_too_few_groups_are_told():
    told = r"9 groups of stamps are too few for 5 to test and 4 to validate on; lower test and .* of bridging\.stamps"
    with pytest.raises(InputError, match=told):
        split_groups([f"g{i}" for i in range(9)], {"test": 5, "validation": 4, "image": 0.5}, 0)


@pytest.mark.skipif(not REAL.is_dir(), reason="Tux Paint's stamps are not installed (tuxpaint-stamps-default)")
def test_the_real_stamps_are_as_many_as_were_counted():
    """Version 2022.06.04: counted file by file with `find`, before this reader was written."""
    stamps = read_stamps(REAL)
    assert (len(stamps), sum(stamp.image is not None for stamp in stamps)) == (952, 950)
    assert sum(stamp.sound is not None for stamp in stamps) == 135
    spoken = Counter(language for stamp in stamps for language in stamp.speech)
    expected = {"fr": 927, "ro": 920, "ru": 920, "bg": 917, "ca": 917, "es": 890, "be": 694, "el": 659}
    assert {language: spoken[language] for language in expected} == expected
