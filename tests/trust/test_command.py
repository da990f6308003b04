"""`ucl diagnose` on files: a verdict on the terminal, as JSON and as a page; errors are one line."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ucl.cli.app import app

KINDS, WIDTHS = 20, (8, 6)
SCALES = ["--ab-scale", "12", "--bc-scale", "12"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Embeddings of two models that share nothing but what they embed."""
    folder, random = tmp_path_factory.mktemp("files"), np.random.default_rng(0)
    centres = [random.standard_normal((KINDS, width)) for width in WIDTHS]
    sizes = {"b": 400, "a": 120, "c": 120}
    for name, n in sizes.items():
        kinds = random.integers(KINDS, size=n)
        for side, centre in zip(("for_a", "for_c"), centres, strict=True):
            x = centre[kinds] + 0.2 * random.standard_normal((n, centre.shape[1]))
            np.save(folder / f"{name}_{side}.npy", (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32))
    return folder


def ask(files: Path, *more: str) -> tuple[int, str, str]:
    inputs = [str(files / name) for name in ("a_for_a.npy", "c_for_c.npy")]
    banks = ["--bank", str(files / "b_for_a.npy"), "--bank-for-c", str(files / "b_for_c.npy")]
    result = CliRunner().invoke(app, ["diagnose", *inputs, *banks, *SCALES, "--no-progress", *more])
    return result.exit_code, result.stdout, str(result.exception or "")


def test_a_verdict_and_a_page(files: Path, tmp_path: Path) -> None:
    code, said, _ = ask(files, "--among", "10", "--html", str(tmp_path / "page.html"))
    assert code == 0
    assert said.startswith("Use the bridge ")
    assert "Predicted Recall@1 among 10" in said
    assert "  > Use it: " in said
    assert len(said.splitlines()) < 40  # one screen
    assert "Use the bridge" in (tmp_path / "page.html").read_text()


def test_json_has_the_same_verdict(files: Path) -> None:
    code, said, _ = ask(files, "--among", "10", "--json")
    assert code == 0
    assert json.loads(said)["verdict"] == "bridge"


def test_pairs_of_another_length_are_one_line(files: Path) -> None:
    triplet = [str(files / name) for name in ("a_for_a.npy", "b_for_a.npy", "b_for_c.npy")]
    code, _, error = ask(files, "--pairs-ab", *triplet)
    assert code != 0
    assert "one row a pair" in error


def test_a_page_never_overwrites_an_input_and_its_place_is_checked_first(files: Path) -> None:
    queries = files / "a_for_a.npy"
    before = queries.read_bytes()
    code, _, error = ask(files, "--html", str(queries))
    assert code != 0
    assert "which is read" in error
    assert queries.read_bytes() == before
    code, said, error = ask(files, "--html", str(queries / "page.html"))
    assert (code != 0, said) == (True, "")
    assert "cannot be written" in error
