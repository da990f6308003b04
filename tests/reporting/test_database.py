"""A tracking database that is locked, foreign, half made or out of reach is told in one line, soon; no run is lost."""

import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow import MlflowClient

from ucl.files import read_json
from ucl.reporting import database
from ucl.reporting.tracking import Run, log_runs, write_runs

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own warnings are not ours
MAKE = "import sys; from mlflow import MlflowClient; MlflowClient(sys.argv[1]).search_experiments()"


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setattr(database, "PATIENCE", 0.5)
    monkeypatch.setattr(database, "QUEUE", 0.5)
    write_runs("synthetic", [Run("x", {"seeds": 3}, {"recall": [[0, 0.5]]})], [], "runs.json")
    return tmp_path


def refuses(capsys: pytest.CaptureFixture[str], *messages: str) -> None:
    start = time.monotonic()
    assert not log_runs("runs.json", "receipt.json", progress=False)
    assert time.monotonic() - start < 20
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(messages)
    for line, message in zip(lines, messages, strict=True):
        assert message in line
    assert lines[-1].endswith("later: ucl track runs.json")
    assert read_json("receipt.json")["pending"]


def logs(folder: Path) -> None:
    assert log_runs("runs.json", "receipt.json", progress=False)
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiments = {known.name: known.experiment_id for known in client.search_experiments()}
    assert set(experiments) == {"Default", "ucl/synthetic"}
    logged = client.search_runs([experiments["ucl/synthetic"]])
    assert sorted(run.info.run_name for run in logged) == ["report", "x"]
    assert not [path.name for path in folder.iterdir() if path.name.endswith(".tmp")]


def test_a_locked_database(folder, capsys, empty_database) -> None:
    shutil.copy(empty_database, folder)
    other = sqlite3.connect("mlflow.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    refuses(capsys, "database is locked")
    other.rollback()
    other.close()
    logs(folder)


def test_another_job_that_never_ends(folder, capsys) -> None:
    with FileLock("mlflow.db.lock"):
        refuses(capsys, "mlflow.db.lock, which another process holds", "another process holds")


def test_a_foreign_database_is_left_alone(folder, capsys) -> None:
    other = sqlite3.connect("mlflow.db")
    other.execute("CREATE TABLE thesis (chapter)")
    other.commit()
    other.close()
    before = Path("mlflow.db").read_bytes()
    refuses(capsys, "it is a database, but not MLflow's")
    assert Path("mlflow.db").read_bytes() == before
    Path("mlflow.db").write_text("no database at all, but long enough to be looked at" * 100)
    refuses(capsys, "file is not a database")
    Path("mlflow.db").unlink()
    Path("mlflow.db").mkdir()
    refuses(capsys, "unable to open database file")


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "http://", "nonsense://x"])
def test_no_server(folder, capsys, monkeypatch, uri) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    refuses(capsys, f"MLflow at {uri} cannot be reached")


def test_a_server_that_never_answers(folder, capsys, monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        refuses(capsys, f"MLflow at {uri} cannot be reached (timed out)")


def test_a_database_that_was_cut_off_while_it_was_made(folder) -> None:
    """By MLflow itself: tables are there, the steps that change them are not all done."""
    maker = subprocess.Popen(
        [sys.executable, "-c", MAKE, f"sqlite:///{folder / 'mlflow.db'}"], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (Path("mlflow.db").exists() and Path("mlflow.db").stat().st_size > 50_000):
        assert time.monotonic() < deadline
        assert maker.poll() is None
        time.sleep(0.005)
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    assert not database._holds_experiments(Path("mlflow.db"))
    logs(folder)


def test_a_database_that_is_being_made_is_not_there_before_it_is_whole(folder, monkeypatch) -> None:
    def interrupted(self: MlflowClient) -> None:
        assert not Path("mlflow.db").exists()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "search_experiments", interrupted)
        with pytest.raises(KeyboardInterrupt):
            log_runs("runs.json", "receipt.json", progress=False)
    assert sorted(path.name for path in folder.iterdir() if path.name != "mlflow.db.lock") == ["runs.json"]
