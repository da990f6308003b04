"""Runs in MLflow: described in a file first, logged from it afterwards, so that no server can lose a result.

A job writes its runs to `results/<experiment>/runs.json`. `log_runs` sends them to the tracking server; what is there
already is recognised by its digest and not logged twice, so the file can be replayed at any time (`ucl track`).
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ucl.errors import InputError
from ucl.files import read_json, write_json
from ucl.reporting.database import ready
from ucl.reporting.durations import benchmark_of, seconds_of

__all__ = ["DEFAULT_URI", "Run", "describe_code", "flatten", "log_runs", "read_runs", "write_runs"]

DEFAULT_URI = "sqlite:///mlflow.db"
DIGEST, COMPLETE, NOTE = "ucl.digest", "ucl.complete", "mlflow.note.content"
BATCH = 900  # metrics a request; MLflow takes 1,000


@dataclass(frozen=True)
class Run:
    """One run: a configuration of an experiment, and what it gave."""

    name: str
    params: dict[str, Any]  # flat, named as in params.yaml
    metrics: dict[str, list[list[int | float]]]  # key -> [[step, value], ...]
    tags: dict[str, str] = field(default_factory=dict)
    artifacts: list[str] = field(default_factory=list)  # files, relative to the working directory
    benchmark: str | None = None  # pattern of the files that say how long its jobs took

    @property
    def digest(self) -> str:
        """Names the numbers and parameters, so that a run is logged once, whatever the code's commit."""
        numbers = {key: value for key, value in asdict(self).items() if key != "benchmark"}
        return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()


def flatten(section: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """`{"dims": {"a": 32}}` under `synthetic` becomes `{"synthetic.dims.a": 32}`."""
    flat: dict[str, Any] = {}
    for key, value in section.items():
        flat |= flatten(value, f"{prefix}.{key}") if isinstance(value, Mapping) else {f"{prefix}.{key}": value}
    return flat


def describe_code() -> dict[str, str]:
    """Tags of the code at hand: the commit, and whether the tree differs from it."""
    try:
        commit, changes = _git("rev-parse", "HEAD"), _git("status", "--short", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):  # not a checkout: an installed package, an archive
        return {"mlflow.source.git.commit": "unknown"}
    return {"mlflow.source.git.commit": commit, "git.dirty": str(bool(changes)).lower()}


def _git(*command: str) -> str:
    here = Path(__file__).parent
    return subprocess.run(["git", *command], cwd=here, capture_output=True, text=True, check=True).stdout.strip()


def write_runs(
    experiment: str,
    runs: Sequence[Run],
    artifacts: Sequence[str],
    path: str | Path,
    about: str = "",
    jobs: Mapping[str, str] | None = None,
) -> None:
    """Describe the runs of `ucl/<experiment>` in a file, and one more, `report`, that holds the artifacts.

    `about` says what the experiment is. Every run says what tells it from the others. `jobs`, the benchmark file of
    every rule, tells where the time of a run's jobs stands; the report's is that of the whole experiment.
    """
    jobs = jobs or {}
    digests = hashlib.sha256("".join(run.digest for run in runs).encode()).hexdigest()
    first = runs[0].params if runs else {}
    shared = {key: value for key, value in first.items() if all(run.params.get(key) == value for run in runs)}
    tags = {"runs.sha256": digests, NOTE: "Figures, tables and metrics."}
    report = Run("report", shared, {}, tags, list(artifacts), f"results/benchmarks/{experiment}/**/*.tsv")
    told = [
        replace(run, tags={NOTE: _told_apart(run, shared), **run.tags}, benchmark=benchmark_of(run.tags, jobs))
        for run in runs
    ]
    write_json({"experiment": experiment, "about": about, "runs": [asdict(run) for run in (*told, report)]}, path)


def _told_apart(run: Run, shared: Mapping[str, Any]) -> str:
    own = {key.rpartition(".")[2]: value for key, value in run.params.items() if key not in shared}
    return ", ".join(f"{key} {value}" for key, value in own.items()) or run.name


def read_runs(path: str | Path) -> tuple[str, str, list[Run]]:
    """The experiment, what it is, and the runs that a file describes."""
    try:
        described = read_json(path)
        return described["experiment"], described["about"], [Run(**entry) for entry in described["runs"]]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} describes no runs ({error}): name a runs.json that the workflow wrote") from None


def log_runs(path: str | Path, receipt: str | Path, progress: bool = True) -> bool:
    """Log the runs of a file to `MLFLOW_TRACKING_URI` (default: a local database) and write a receipt.

    A server that cannot be reached is reported in one line and noted in the receipt; the result is False and the file
    can be replayed with `ucl track`.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    uri = os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # runs go to their server and nowhere else
    name, about, runs = read_runs(path)
    made = int(Path(path).stat().st_mtime * 1000)
    source = {"mlflow.source.type": "PROJECT", "mlflow.source.name": f"workflow/rules/{name}.smk"}
    try:
        with ready(uri):
            client = MlflowClient(uri)
            experiment = _experiment(client, f"ucl/{name}", about)
            tags = source | describe_code()
            spent = {jobs: int(1000 * seconds_of(jobs)) for jobs in {run.benchmark for run in runs}}
            took = [spent[run.benchmark] for run in runs]
            began = made - max(took, default=0)
            bar = tqdm(zip(runs, took, strict=True), "log to MLflow", len(runs), disable=not progress)
            logged = {
                run.name: _log(client, experiment, run, tags, (began - age, began - age + own))
                for age, (run, own) in enumerate(bar)
            }
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        print(f"MLflow at {uri} cannot be reached ({reason}); later: ucl track {path}", file=sys.stderr)
        write_json({"uri": uri, "pending": reason, "runs": {}}, receipt)
        return False
    write_json({"uri": uri, "pending": None, "runs": logged}, receipt)
    return True


def _log(client: Any, experiment: str, run: Run, tags: Mapping[str, str], during: tuple[int, int]) -> str:
    """Log one run and return its id; a run that is there and complete is left alone.

    It begins and ends with `during`, in milliseconds: it lasts as long as its jobs did, since how long logging takes
    says nothing of the work. All begin when the longest would have, to be over when the numbers were made; each a
    millisecond before the one that the file tells first, since MLflow lists the newest first: so they stand in the
    file's order, and the report, which has no metrics, last.
    """
    for known in client.search_runs([experiment], f"tags.`{DIGEST}` = '{run.digest}'"):
        if COMPLETE in known.data.tags:
            return str(known.info.run_id)
        client.delete_run(known.info.run_id)  # cut off while it was logged
    tags = {**run.tags, **tags, DIGEST: run.digest}
    run_id: str = client.create_run(experiment, start_time=during[0], run_name=run.name, tags=tags).info.run_id
    _log_contents(client, run_id, run)
    client.set_tag(run_id, COMPLETE, "true")
    client.set_terminated(run_id, end_time=during[1])
    return run_id


def _log_contents(client: Any, run_id: str, run: Run) -> None:
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    client.log_batch(run_id, params=[Param(key, str(value)) for key, value in run.params.items()])
    metrics = [Metric(key, value, now, int(step)) for key, points in run.metrics.items() for step, value in points]
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + BATCH])
    for artifact in run.artifacts:
        client.log_artifact(run_id, artifact, artifact_path=Path(artifact).parent.name)


def _experiment(client: Any, name: str, about: str) -> str:
    from mlflow.exceptions import MlflowException

    if client.get_experiment_by_name(name) is None:
        with suppress(MlflowException):  # a job beside this one was first
            client.create_experiment(name)
    number = str(client.get_experiment_by_name(name).experiment_id)
    if about:
        client.set_experiment_tag(number, NOTE, about)
    return number
