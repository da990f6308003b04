"""Tux Paint's stamps and the pretrained weights, for tests that run where both are here."""

from pathlib import Path

import pytest
from mirror import ROOT

from ucl.stamps.models import FROZEN

STAMPS, WEIGHTS = Path("/usr/share/tuxpaint/stamps"), ROOT / "data/weights"
HERE = STAMPS.is_dir() and all((WEIGHTS / file).is_file() for files in FROZEN.values() for file in files)
needs_stamps = pytest.mark.skipif(not HERE, reason="needs tuxpaint-stamps-default and data/weights (docs/media.md)")
