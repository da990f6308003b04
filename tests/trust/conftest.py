"""What tests of verdicts share: the distilled bridge among the methods learns for a moment only."""

from collections.abc import Iterator
from functools import partial

import pytest

from ucl.distilled import distil
from ucl.distilled.training import Settings


@pytest.fixture(autouse=True, scope="module")
def short_courses() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distil, "Settings", partial(Settings, steps=40))
        yield
