"""Whether the place that runs go to can take them: asked within seconds, before MLflow tries for minutes."""

import contextlib
import secrets
import sqlite3
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["ready"]

PATIENCE = 5.0  # seconds for an answer
QUEUE = 600.0  # seconds that jobs of the same workflow may take to log before this one


@contextlib.contextmanager
def ready(uri: str) -> Iterator[None]:
    """Hold the place `uri` names, for one writer at a time where it is a local database; raise OSError if it is none.

    SQLite gives up on a lock that is held for too long, so jobs queue for a lock file. A database that is not there,
    or that was cut off while it was made, is made beside and moved into place: MLflow cannot mend half of one.
    """
    if uri.startswith(("http://", "https://")):
        _check_server(uri)
    path = uri.removeprefix("sqlite:///").partition("?")[0]
    if not uri.startswith("sqlite:///") or not path:
        yield
        return
    with _queue(f"{path}.lock"):
        if not _holds_experiments(Path(path)):
            _make(Path(path))
        yield


@contextlib.contextmanager
def _queue(path: str) -> Iterator[None]:
    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout:
            print(f"waiting for {path}, which another process holds", file=sys.stderr)
            lock.acquire(timeout=QUEUE)
    except Timeout:
        raise OSError(f"another process holds {path}") from None
    try:
        yield
    finally:
        lock.release()


def _check_server(uri: str) -> None:
    """Any answer will do, also that there is no such page."""
    try:
        urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=PATIENCE).close()
    except urllib.error.HTTPError:
        return
    except ValueError as error:
        raise OSError(str(error)) from None


def _holds_experiments(path: Path) -> bool:
    """Whether MLflow's database at `path` was finished: its last step is to enter the experiment `Default`.

    Raises OSError for a database that is locked, and for a file that is none or something else's.
    """
    if not path.exists() or path.stat().st_size == 0:
        return False
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")  # also rolls back what a killed process left
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if tables and not {"experiments", "runs"} <= tables:
                raise OSError("it is a database, but not MLflow's: name another in MLFLOW_TRACKING_URI")
            return bool(tables) and database.execute("SELECT 1 FROM experiments").fetchone() is not None
    except sqlite3.Error as error:
        raise OSError(str(error)) from None


def _make(path: Path) -> None:
    from mlflow import MlflowClient

    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        MlflowClient(f"sqlite:///{temporary}").search_experiments()
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
