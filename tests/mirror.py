"""The data mirror: a DVC remote that may stand beside the checkout; tests that need it skip where it does not."""

import os
from pathlib import Path

import pytest

from ucl.media.pointers import read_pointer

ROOT = Path(__file__).resolve().parent.parent


def mirror() -> Path:
    """The folder of the mirror, from UCL_DVC_MIRROR or `shared/dvc-remote` beside the checkout or above it."""
    places = [Path(os.environ["UCL_DVC_MIRROR"])] if "UCL_DVC_MIRROR" in os.environ else []
    places += [folder / "shared" / "dvc-remote" for folder in ROOT.parents]
    for place in places:
        if (place / "files" / "md5").is_dir():
            return place
    pytest.skip("no data mirror: set UCL_DVC_MIRROR to a DVC remote that holds the files of data/")


def mirrored(path: str) -> Path:
    """The content of one tracked file, where the mirror keeps it."""
    md5 = read_pointer(ROOT / f"{path}.dvc").md5
    return mirror() / "files" / "md5" / md5[:2] / md5[2:]
