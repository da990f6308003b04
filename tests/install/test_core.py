"""The package without any extra, in an environment that holds nothing else.

By default that environment is a bare virtual one, into which the wheel of this tree is installed and the distributions
that it requires, and no other, are linked from the environment of the tests. With UCL_INSTALL_FROM_REGISTRY=1 pip
installs everything from the registry.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
FROM_REGISTRY = "UCL_INSTALL_FROM_REGISTRY"
pytestmark = pytest.mark.timeout(900 if os.environ.get(FROM_REGISTRY) else 300)

HELP = [
    [], ["score"], ["retrieve"], ["explain"], ["evaluate"], ["check"], ["calibrate"], ["diagnose"], ["bank"],
    ["bank", "build"], ["maze"], ["maze", "list"], ["maze", "play"], ["params"], ["track"],
]  # fmt: skip


class Environment:
    """A virtual environment, used from a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.work = folder / "bin", folder / "work"
        self.work.mkdir()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
        words = [str(self.bin / command[0]), *command[1:]]
        return subprocess.run(words, cwd=self.work, env=kept, capture_output=True, text=True, check=False)

    def python(self, code: str) -> str:
        done = self.run("python", "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def closure(name: str, path: list[str]) -> set[str]:
    """A distribution and all that it requires here, with the extras that are asked for on the way."""
    seen: set[tuple[str, str]] = set()
    queue = [(canonicalize_name(name), "")]
    while queue:
        name, extra = queue.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found = next(iter(metadata.distributions(name=name, path=path)), None)
        for requirement in map(Requirement, (found.requires or ()) if found else ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                queue += [(canonicalize_name(requirement.name), inner) for inner in ("", *requirement.extras)]
    return {name for name, _ in seen}


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("core") / "environment"
    source = folder.parent / "source"
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        source.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "ucl", source / "ucl", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--quiet"]
    real = bool(os.environ.get(FROM_REGISTRY))
    subprocess.run([sys.executable, "-m", "venv", *([] if real else ["--without-pip"]), str(folder)], check=True)
    if real:
        pip = [str(folder / "bin/python"), "-m", "pip", "--quiet"]
        subprocess.run([*pip, "install", "--constraint", str(ROOT / "constraints.txt"), str(source)], check=True)
    else:
        wheel = ["--no-deps", "--no-index", "--no-build-isolation"]
        subprocess.run([*pip, "wheel", *wheel, "--wheel-dir", str(folder.parent), str(source)], check=True)
        (built,) = folder.parent.glob("ucl-*.whl")
        subprocess.run([*pip, "--python", str(folder / "bin/python"), "install", *wheel[:2], str(built)], check=True)
        link(folder)
    return Environment(folder)


def link(folder: Path) -> None:
    """Link what the wheel requires from the environment of the tests."""
    (site,) = folder.glob("lib/python*/site-packages")
    for name in closure("ucl", [str(site), *sys.path]) - {"ucl"}:
        found = next(iter(metadata.distributions(name=name)), None)  # torch for a CPU lacks what it requires for a GPU
        for file in (found.files or ()) if found else ():
            top, target = file.parts[0], site / file.parts[0]
            if top not in ("..", "__pycache__") and not target.exists():
                target.symlink_to(Path(sysconfig.get_path("purelib")) / top)


def test_few_packages_and_none_of_an_extra(core: Environment) -> None:
    (site,) = core.bin.parent.glob("lib/python*/site-packages")
    here = {canonicalize_name(found.metadata["Name"]) for found in metadata.distributions(path=[str(site)])}
    beside = here - closure("torch", [str(site)])
    assert len(beside) <= 20, sorted(beside)
    assert {"ucl", "numpy", "pyarrow", "safetensors", "typer"} <= beside
    assert not {"pandas", "snakemake", "mlflow", "gymnasium", "transformers", "matplotlib"} & here


def test_import_loads_no_torch_until_something_is_used(core: Environment) -> None:
    where = core.python(
        "import sys, ucl; assert not {'torch', 'numpy', 'typer'} & set(sys.modules); print(ucl.__file__)"
    )
    assert Path(where).is_relative_to(core.bin.parent)
    core.python("import sys; from ucl import InputError; assert not {'torch', 'numpy'} & set(sys.modules)")
    core.python("import sys; from ucl import Bank, Bridge, Cosine, merge; assert 'torch' in sys.modules")


@pytest.mark.parametrize(
    "module", ["core.closed_form", "learning.training", "learning.model_pairs", "worlds.gaussian", "peers", "runtime"]
)
def test_what_needs_no_extra_is_imported_without_one(core: Environment, module: str) -> None:
    core.python(f"import ucl.{module}")


def test_scores_and_retrieval(core: Environment) -> None:
    draw = np.random.default_rng(0).standard_normal
    arrays = {"a": draw((4, 6)), "c": draw((5, 6)), "b": draw((300, 6))}
    unit = {name: array / np.linalg.norm(array, axis=1, keepdims=True) for name, array in arrays.items()}
    x, y = 20 * unit["a"] @ unit["b"].T, 5 * unit["c"] @ unit["b"].T
    x, y = (np.exp(side) / np.exp(side).mean(1, keepdims=True) for side in (x, y))  # normalised per anchor
    expected = np.log((x[:, None] * y[None]).mean(-1))
    for name, array in arrays.items():
        np.save(core.work / f"{name}.npy", array)
    scales = ["--ab-scale", "20", "--bc-scale", "5"]
    assert core.run("ucl", "bank", "build", "b.npy", *scales, "--out", "bank").returncode == 0
    done = core.run("ucl", "score", "a.npy", "c.npy", "--bank", "bank", *scales, "--out", "s.parquet")
    assert done.returncode == 0, done.stderr
    found = pq.read_table(core.work / "s.parquet")["scores"].to_numpy().reshape(4, 5)
    assert np.allclose(found, expected, atol=1e-9)
    done = core.run("ucl", "retrieve", "a.npy", "c.npy", "--bank", "b.npy", *scales, "-k", "2", "--json")
    best = [json.loads(line)["candidates"] for line in done.stdout.splitlines()]
    assert best == np.argsort(-expected, axis=1)[:, :2].tolist()


@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_help_answers_at_once(core: Environment, words: list[str]) -> None:
    core.run("ucl", *words, "--help")  # the first call may compile
    before = os.times()
    done = core.run("ucl", *words, "--help")
    after = os.times()
    assert done.returncode == 0
    assert done.stdout.startswith(" ".join(["Usage: ucl", *words]))
    # Of the processor, which a busy machine hardly changes.
    assert after.children_user + after.children_system - before.children_user - before.children_system < 1


def test_version(core: Environment) -> None:
    done = core.run("ucl", "--version")
    assert done.stdout.strip() == core.python("import importlib.metadata as m; print(m.version('ucl'))")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["maze", "list"], "ucl: this needs gymnasium: pip install 'ucl[maze]'"),
        (["maze", "play"], "ucl: this needs gymnasium: pip install 'ucl[maze]'"),
        (["params"], "ucl: this needs {}: pip install 'ucl[workflow]'"),
        (["track", "runs.json"], "ucl: this needs {}: pip install 'ucl[workflow]'"),
    ],
)
def test_a_missing_extra_is_one_line(core: Environment, words: list[str], line: str) -> None:
    (core.work / "runs.json").write_text("[]")
    (core.work / "params.yaml").write_text("{}")
    done = core.run("ucl", *words)
    start, end = line.split("{}") if "{}" in line else (line, "")
    assert done.returncode == 2
    assert done.stderr.startswith(start)
    assert done.stderr.endswith(end + "\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("room", "extra"),
    [
        ("maze", "maze"),
        ("media", "media"),
        ("experiments", "workflow"),
        ("digits", "workflow"),
    ],
)
def test_importing_a_room_without_its_extra_says_what_to_install(core: Environment, room: str, extra: str) -> None:
    done = core.run("python", "-c", f"import ucl.{room}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ucl.extras.MissingExtraError: this needs ")
    assert done.stderr.splitlines()[-1].endswith(f": pip install 'ucl[{extra}]'")
