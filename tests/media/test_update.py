"""A store that is brought up to date: by one run at a time."""

from pathlib import Path

from command import run
from filelock import FileLock
from toy_media import Loaders, paint

from ucl.media import encoders
from ucl.media.store import read_store
from ucl.media.update import parts_of


def test_two_runs_do_not_write_one_store(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(encoders.LOADERS, "toy", Loaders().load)
    paint(Path("photos", "old.jpg"), "blue")
    words = ("embed", "photos", "--model", "toy:eye", "--out", "photos.parquet", "--no-progress")
    assert run(monkeypatch, *words) == 0
    before = Path("photos.parquet").read_bytes()
    paint(Path("photos", "new.jpg"), "red")
    parts_of(Path("photos.parquet")).mkdir()
    capsys.readouterr()
    with FileLock(parts_of(Path("photos.parquet")) / "lock"):  # as another process holds it
        assert run(monkeypatch, *words) == 2
    assert capsys.readouterr().err == (
        "ucl: photos.parquet is being written by another run: wait for its end, or name another file\n"
    )
    assert Path("photos.parquet").read_bytes() == before
    assert run(monkeypatch, *words) == 0
    assert len(read_store("photos.parquet").ids) == 2
    assert not parts_of(Path("photos.parquet")).exists()
