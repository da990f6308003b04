"""Tables of floats whose columns stand in another order than those they are compared with: told wherever it happens."""

import warnings

import numpy as np
import pandas as pd
import pytest
from command import run

from ucl import Bank, Bridge, Cosine, InputError
from ucl.core.bridge import log_sum_exp_scores
from ucl.core.readers import as_rows
from ucl.distilled.distil import distill
from ucl.distilled.student import Index, Student
from ucl.distilled.training import Settings
from ucl.distilled.vectors import write_vectors
from ucl.trust.calibrate import calibrate
from ucl.trust.check import check
from ucl.trust.diagnose import diagnose

NAMES = ["d0", "d1", "d2", "d3"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same numbers as arrays, as tables, and as tables whose first two columns change places."""
    place, draws = tmp_path_factory.mktemp("columns"), np.random.default_rng(0)
    for name, rows in (("a", 120), ("c", 120), ("bank", 240)):
        x = draws.standard_normal((rows, 4)).astype("f4")
        np.save(place / f"{name}.npy", x)
        frame = pd.DataFrame(x, columns=NAMES)
        frame.to_parquet(place / f"{name}.parquet")
        turned = frame[["d1", "d0", "d2", "d3"]]
        (turned.rename(columns={"d3": "e"}) if name == "c" else turned).to_parquet(place / f"{name}_turned.parquet")
    return place


def table(folder, name):
    return str(folder / f"{name}.parquet")


def bridge(folder) -> Bridge:
    return Bridge(Cosine(5.0), Cosine(6.0), Bank(table(folder, "bank")))


@pytest.fixture(scope="module")
def student(folder) -> Student:
    """Of tables of samples, over a bank that is an array."""
    by = Bridge(Cosine(5.0), Cosine(6.0), Bank(str(folder / "bank.npy")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = Settings(steps=10, batch=32, checks=2)
        return distill(by, table(folder, "a"), table(folder, "c"), width=4, settings=settings, progress=False)


def refused(call, *args, **options) -> None:
    with pytest.raises(InputError, match=r"must have their columns in one order: column 0 is d[01] in one") as caught:
        call(*args, **options)
    assert "\n" not in str(caught.value)


def test_of_pairs_and_of_what_a_bank_is_asked(folder) -> None:
    a, c, turned, own = table(folder, "a"), table(folder, "c"), table(folder, "a_turned"), bridge(folder)
    assert str(calibrate(a, c)) == str(calibrate(str(folder / "a.npy"), c))
    refused(calibrate, turned, c)
    for side in ("ab", "bc"):
        refused(check, own.bank, own.ab, own.bc, **{f"pairs_{side}": (turned, c)})
    for name in ("a", "c"):
        refused(check, own.bank, own.ab, own.bc, **{f"queries_{name}": turned})
    refused(diagnose, own, turned, c, progress=False)
    refused(diagnose, own, a, turned, progress=False)
    for place in range(3):
        triplet = tuple(turned if place == i else c for i in range(3))
        refused(diagnose, own, a, c, pairs_ab=triplet, progress=False)
        refused(diagnose, own, a, c, pairs_bc=triplet, progress=False)
    refused(log_sum_exp_scores, a, turned)  # here a column is a sample


def test_of_what_a_student_embeds(folder, student, tmp_path) -> None:
    student.save(tmp_path / "s.safetensors")
    for own in (student, Student.load(tmp_path / "s.safetensors")):
        assert np.array_equal(own.embed_a(table(folder, "a")), own.embed_a(str(folder / "a.npy")))
        refused(own.embed_a, table(folder, "a_turned"))
        refused(own.embed_c, table(folder, "c_turned"))
        refused(own.index, table(folder, "c_turned"))
        refused(write_vectors, own, "c", as_rows(table(folder, "c_turned"), "c"), tmp_path / "v.parquet")
        refused(own.index(table(folder, "c")).search, table(folder, "a_turned"), rerank=0)


def test_of_the_bank_that_reranks(folder, student, tmp_path) -> None:
    turned = Bridge(Cosine(5.0), Cosine(6.0), Bank(table(folder, "bank_turned")), normalize=False)
    refused(student.index, table(folder, "c"), bridge=turned)
    student.index(str(folder / "c.npy")).save(tmp_path / "index")
    refused(Index.open(tmp_path / "index", turned).search, str(folder / "a.npy"))


def test_of_the_command(folder, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(folder)
    out = tmp_path / "s.safetensors"
    words = ["distill", "a.parquet", "c.parquet", "--bank", "bank.npy", "--ab-scale", 5, "--bc-scale", 6, "--out", out]
    assert run(monkeypatch, *words, "--width", 4, "--steps", 10, "--hidden", 0, "--no-progress") == 0
    capsys.readouterr()
    build = ["index", "build", out, "c_turned.parquet", "--out", tmp_path / "index"]
    for words in (build, ["calibrate", "a.parquet", "c_turned.parquet"]):
        assert run(monkeypatch, *words) == 2
        told = capsys.readouterr().err
        assert "must have their columns in one order" in told
        assert told.count("\n") == 1
