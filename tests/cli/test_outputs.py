"""What the command writes is whole, is where it was asked for, and is never what it reads."""

import json
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from command import run
from safetensors.numpy import load_file, save_file

SCALES = ["--ab-scale", "20", "--bc-scale", "5", "--no-progress"]
SCORE = ["score", "a.npy", "c.npy", "--bank", "b.npy", *SCALES, "--out"]
BUILD = ["bank", "build", "b.npy", *SCALES, "--out"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0).standard_normal
    for name, rows in {"a": 5, "c": 7, "b": 90}.items():
        np.save(f"{name}.npy", draw((rows, 6)))
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file by its path, but for links."""
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file() and not p.is_symlink()}


def refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    """One line, exit code 2, and nothing changed."""
    before = contents(Path.cwd())
    assert run(monkeypatch, *words) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert told.err.startswith("ucl: ")
    assert told.err.count("\n") == 1
    assert told.out == ""
    assert contents(Path.cwd()) == before


@pytest.mark.parametrize(
    "out", ["a.npy", "./c.npy", "b.npy", "x/../b2.npy", "hard.npy", "soft.npy", "bank/part-00000.safetensors"]
)
def test_an_input_is_never_overwritten(folder, monkeypatch, capsys, out) -> None:
    assert run(monkeypatch, *BUILD, "bank") == 0
    capsys.readouterr()
    (folder / "x").mkdir()
    np.save("b2.npy", np.load("b.npy"))
    os.link("a.npy", "hard.npy")
    Path("soft.npy").symlink_to("c.npy")
    bank = ["bank"] if out.startswith("bank") else ["b.npy", "--bank-for-c", "b2.npy"]
    words = ["score", "a.npy", "c.npy", "--bank", *bank, *SCALES, "--out", out]
    refuses(monkeypatch, capsys, words, f"{Path(out)} would overwrite ")


def test_an_array_of_an_archive_is_an_input(folder, monkeypatch, capsys) -> None:
    np.savez("all.npz", a=np.load("a.npy"), c=np.load("c.npy"))
    words = ["score", "all.npz:a", "c.npy", "--bank", "b.npy", *SCALES, "--out", "all.npz"]
    refuses(monkeypatch, capsys, words, "all.npz would overwrite all.npz:a, which is read")


@pytest.mark.parametrize("out", ["bank", "link", "."])
def test_a_bank_is_never_built_over_its_source(folder, monkeypatch, capsys, out) -> None:
    assert run(monkeypatch, *BUILD, "bank") == 0
    capsys.readouterr()
    Path("link").symlink_to("bank")
    words = ["bank", "build", "bank/part-00000.safetensors:for_a", *SCALES, "--out", out]
    refuses(monkeypatch, capsys, words, f"{out} would overwrite bank/part-00000.safetensors:for_a")


def test_a_bank_is_replaced_as_a_whole_and_nothing_else_is(folder, monkeypatch, capsys) -> None:
    assert run(monkeypatch, *BUILD, "bank") == 0
    Path("bank/part-00001.safetensors").write_text("of a larger bank that was here before")
    assert run(monkeypatch, "bank", "build", "a.npy", *SCALES, "--out", "bank") == 0
    capsys.readouterr()
    assert sorted(p.name for p in Path("bank").iterdir()) == ["bank.json", "part-00000.safetensors"]
    assert json.loads(Path("bank/bank.json").read_text())["samples"] == 5
    Path("bank/thesis.tex").write_text("years of work")
    refuses(monkeypatch, capsys, [*BUILD, "bank"], "holds files of another kind (thesis.tex)")
    assert [p.name for p in folder.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*SCORE, "taken.npz"], "taken.npz is not a file"),
        ([*SCORE, "a.npy/s.npz"], "something above it is a file, not a folder"),
        ([*SCORE, "a.npy/deep/s.npz"], "something above it is a file, not a folder"),
        ([*SCORE, "n" * 300 + ".npz"], "File name too long"),
        ([*SCORE, "/dev/full"], "--out must end in .npz, .npy, .safetensors, .parquet: got /dev/full"),
        ([*SCORE, "full.npz"], "/dev/full is not a file"),
        ([*SCORE, "loop.npz"], "loop.npz is not a file"),
        ([*BUILD, "a.npy"], "a.npy is a file; choose another name"),
        ([*BUILD, "a.npy/bank"], "Not a directory"),
        ([*BUILD, "/dev/full"], "/dev/full is a file; choose another name"),
        ([*BUILD, "n" * 300], "File name too long"),
        ([*BUILD, "taken.npz"], "holds files of another kind (note)"),
    ],
)
def test_a_place_that_cannot_be_written_to_is_one_line(folder, monkeypatch, capsys, words, message) -> None:
    (folder / "taken.npz").mkdir()
    (folder / "taken.npz/note").write_text("mine")
    Path("full.npz").symlink_to("/dev/full")
    Path("loop.npz").symlink_to("loop.npz")
    refuses(monkeypatch, capsys, words, message)


@pytest.mark.parametrize("words", [[*SCORE, "s.npz"], [*BUILD, "bank"]])
def test_a_folder_without_permission_is_one_line(folder, monkeypatch, capsys, words) -> None:
    """Root may write anywhere, so that the refusal is played."""

    def forbid(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "touch", forbid)
    monkeypatch.setattr(Path, "mkdir", forbid)
    refuses(monkeypatch, capsys, words, f"{words[-1]}: Permission denied")


def test_a_disk_that_is_full_leaves_nothing_half_written(folder) -> None:
    """Files may grow to 8 kB and no further; the old results stay."""
    for name in "ab":
        np.save(f"{name}.npy", np.random.default_rng(1).standard_normal((1000, 6)))
    outs = ["s.npz", "s.npy", "s.safetensors", "s.parquet", "bank"]
    for out in outs[:-1]:
        Path(out).write_text("old")
    before = contents(folder)
    code = """
        import sys
        from ucl.cli.app import main
        for words in {commands}:
            sys.argv = ["ucl", *words]
            try:
                main()
            except SystemExit as stop:
                print(stop.code)
    """
    commands = [[*(BUILD if out == "bank" else SCORE), out] for out in outs]
    done = subprocess.run(
        [sys.executable, "-c", dedent(code).format(commands=commands)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["2"] * 5, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 5
    for line, out in zip(lines, outs, strict=True):
        assert line.startswith(f"ucl: cannot write {out}: ")
    assert contents(folder) == before


def test_an_output_that_cannot_be_printed_is_one_line(folder) -> None:
    words = ["retrieve", "a.npy", "c.npy", "--bank", "b.npy", *SCALES, "-k", "2"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", "from ucl.cli.app import main; main()", *words],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "ucl: No space left on device\n"


def test_an_impossible_grid_is_told_in_bytes(folder, monkeypatch, capsys) -> None:
    np.save("a.npy", np.ones((300_000, 6), dtype=np.float32))
    words = ["score", "a.npy", "a.npy", "--bank", "b.npy", *SCALES, "--out", "s.npz"]
    refuses(monkeypatch, capsys, words, "a grid of 300000 x 300000 scores takes 3,600,000,000,000 bytes")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": "ucl-bank-1"}', '{"format": "ucl-bank-0"}', "\xff\xfe"]
)
def test_an_unreadable_bank_is_one_line(folder, monkeypatch, capsys, text) -> None:
    assert run(monkeypatch, *BUILD, "bank") == 0
    capsys.readouterr()
    Path("bank/bank.json").write_text(text, encoding="latin-1")
    refuses(
        monkeypatch, capsys, ["score", "a.npy", "c.npy", "--bank", "bank", *SCALES, "--out", "s.npz"], "bank/bank.json"
    )


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_every_output_has_the_mode_that_the_umask_gives(folder, monkeypatch, mask) -> None:
    before = os.umask(mask)
    try:
        for out in ("s.npz", "s.npy", "s.safetensors", "s.parquet"):
            assert run(monkeypatch, *SCORE, out) == 0
        assert run(monkeypatch, *BUILD, "bank") == 0
    finally:
        os.umask(before)
    files = [*folder.glob("s.*"), *(folder / "bank").iterdir()]
    assert len(files) == 6
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o666 & ~mask}


def test_a_link_stays_a_link_and_its_target_is_written(folder, monkeypatch) -> None:
    (folder / "far").mkdir()
    save_file({"scores": np.zeros((1, 1))}, "far/s.safetensors")
    Path("s.safetensors").symlink_to("far/s.safetensors")
    Path("new.npy").symlink_to("far/new.npy")  # points at nothing yet
    assert run(monkeypatch, *SCORE, "s.safetensors") == 0
    assert run(monkeypatch, *SCORE, "new.npy") == 0
    assert Path("s.safetensors").is_symlink()
    assert Path("new.npy").is_symlink()
    assert load_file("far/s.safetensors")["scores"].shape == (5, 7)
    assert np.load("far/new.npy").shape == (5, 7)


@pytest.mark.parametrize(
    ("save", "message"),
    [("taken.gif", "taken.gif is not a file"), ("a.npy/w.gif", "something above it is a file"), ("w.gif", "overwrite")],
)
def test_an_animation_is_refused_before_agents_are_trained(folder, monkeypatch, capsys, save, message) -> None:
    def train(*_: object, **__: object) -> None:
        raise AssertionError("trained")

    monkeypatch.setattr("ucl.maze.play.Agents.__init__", train)
    (folder / "taken.gif").mkdir()
    (folder / "w.gif").write_text("weights, by a strange name")
    refuses(
        monkeypatch, capsys, ["maze", "play", "umaze", "the last row", "--weights", "w.gif", "--save", save], message
    )
