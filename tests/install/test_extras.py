"""What a room of the package imports is what its extra brings, and `pyproject.toml` and `ucl.extras` say the same."""

import ast
import functools
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ucl.errors import InputError
from ucl.extras import EXTRAS, MissingExtraError, needs, remedy

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BY_HAND = {"imagebind", "languagebind"}  # of no registry; `ucl.media.requirements` says how to get them
PARTS = {"pydantic_core": "pydantic"}  # what one library ships as two
ROOMS = {  # what must be installed for which part of the package
    "core": (), "learning": (), "distilled": ("index",), "worlds": (), "peers": (), "trust": (), "cli": (),
    "scale": ("index",), "maze": ("maze", "pointmaze"), "media": ("media", "audioset"), "stamps": ("stamps",),
    "statistics": (), "digits": ("workflow",), "reporting": ("workflow", "pdf"), "experiments": ("workflow",),
}  # fmt: skip


def brought(extra: str) -> set[str]:
    """The distributions that an extra names, those of the extras inside it included."""
    names = set()
    for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
        if requirement.name == "ucl":
            names |= {name for inner in requirement.extras for name in brought(inner)}
        else:
            names.add(canonicalize_name(requirement.name))
    return names


def imported(path: Path) -> set[str]:
    """Top-level names of other packages that a file imports, also within functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"ucl"} - BY_HAND


OWNERS = functools.cache(packages_distributions)  # seconds to find out


def distributions(module: str) -> set[str]:
    found = {canonicalize_name(name) for name in OWNERS().get(PARTS.get(module, module), ())}
    assert found, f"{module} belongs to no installed distribution"
    return found


@pytest.mark.parametrize("room", [path.name for path in sorted((ROOT / "ucl").iterdir()) if path.is_dir()])
def test_a_room_imports_what_its_extra_brings(room: str) -> None:
    if room.startswith("__"):
        return
    here = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    here |= {name for extra in ROOMS[room] for name in brought(extra)}
    for path in sorted((ROOT / "ucl" / room).rglob("*.py")):
        for module in imported(path):
            assert distributions(module) & here, f"{path.relative_to(ROOT)} imports {module}"


def test_the_ground_floor_needs_no_extra() -> None:
    here = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    for path in (ROOT / "ucl").glob("*.py"):
        for module in imported(path):
            assert distributions(module) & here, f"{path.name} imports {module}"


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_table_of_extras_is_that_of_the_project(extra: str) -> None:
    own = {canonicalize_name(r.name) for r in map(Requirement, PROJECT["optional-dependencies"][extra])} - {"ucl"}
    told = [distributions(module) & own for module in EXTRAS[extra]]
    assert all(told), EXTRAS[extra]
    assert set().union(*told) == own


def test_all_and_dev_bring_everything() -> None:
    everything = set().union(*map(brought, EXTRAS))
    assert brought("all") == everything
    assert brought("dev") >= everything


def test_a_missing_library_is_one_line_that_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("maze", "gymnasium")
    monkeypatch.setattr("ucl.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        needs("maze", "gymnasium")
    assert str(caught.value) == "this needs gymnasium: pip install 'ucl[maze]'"
    assert isinstance(caught.value, InputError)
    assert isinstance(caught.value, ImportError)
    assert remedy("yt_dlp") == "this needs yt_dlp: pip install 'ucl[audioset]'"
    assert remedy("no_such_library") is None
