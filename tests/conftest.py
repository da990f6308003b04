"""Shapes are checked at run time in every test: beartype over jaxtyping's annotations, for the whole package.

One thread a worker: the numbers are small, and two workers of two threads each keep two cores waiting for each other.
No example of a property is timed: what else the machine does is no fault of the code.
"""

import gc
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy or PyTorch is imported

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

install_import_hook("ucl", "beartype.beartype")
settings.register_profile("ucl", deadline=None)
settings.load_profile("ucl")


def pytest_configure() -> None:
    """Nothing that is imported for the tests is garbage: looking for it takes a third of their collection."""
    gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The whole DAG takes longest: it begins first."""
    items.sort(key=lambda item: "tests/smoke" not in item.nodeid)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # else libraries call what is still there at the end a leak
