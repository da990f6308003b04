"""Runs reach a real MLflow store, once each, whatever goes wrong on the way."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from ucl.files import read_json
from ucl.reporting import tracking
from ucl.reporting.tracking import Run, describe_code, flatten, log_runs, read_runs, write_runs

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own warnings are not ours


def a_run(name: str = "l2 direct", **changes: object) -> Run:
    fields = {
        "name": name,
        "params": {"synthetic.seeds": 3, "synthetic.dims.a": 32},
        "metrics": {"recall_at_1": [[0, 0.25], [1, 0.5]]},
        "tags": {"rule": "score_synthetic"},
        "artifacts": [],
    }
    return Run(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without runs: making one takes seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    MlflowClient(database(folder)).search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def folder(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_database, tmp_path)
    # By its whole path: MLflow keeps one connection per address and process, wherever the process has moved.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database(tmp_path))
    return tmp_path


def database(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def test_runs_arrive_whole_and_only_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "tables").mkdir()
    (folder / "tables/t.csv").write_text("a,b\n1,2\n")
    one_job = {"rule": "score_synthetic", "wildcards": "model=l2"}  # x is of all models
    runs = [a_run("x"), a_run("y", params={"synthetic.seeds": 3, "critic": "l2"}, tags=one_job)]
    jobs = {"score_synthetic": "results/benchmarks/synthetic/score_{model}.tsv"}
    (folder / "results/benchmarks/synthetic").mkdir(parents=True)
    for model, seconds in (("l2", 1.5), ("dot", 2.25), ("cosine", "0.5")):
        table = f"s\th:m:s\tmax_rss\n{seconds}\t0:00:00\t-\n"
        (folder / f"results/benchmarks/synthetic/score_{model}.tsv").write_text(table)
    write_runs("synthetic", runs, ["tables/t.csv"], "runs.json", "What it is.", jobs)
    name, about, (*read, report) = read_runs("runs.json")
    assert (name, about) == ("synthetic", "What it is.")
    own = [{key: run.tags[key] for key in ("rule", "wildcards") if key in run.tags} for run in read]
    assert [replace(run, tags=tags, benchmark=None) for run, tags in zip(read, own, strict=True)] == runs
    assert report.params == {"synthetic.seeds": 3}
    for commit in ("one", "another"):  # what has the same numbers and parameters is not logged for another commit
        monkeypatch.setattr(tracking, "describe_code", lambda commit=commit: {"mlflow.source.git.commit": commit})
        assert log_runs("runs.json", "receipt.json", progress=False)
    client = MlflowClient(database(folder))
    experiment = client.get_experiment_by_name("ucl/synthetic")
    assert experiment is not None
    logged = client.search_runs([experiment.experiment_id])
    assert [run.info.run_name for run in logged] == ["x", "y", "report"]  # newest first, as the UI lists them
    x = next(run for run in logged if run.info.run_name == "x")
    assert x.data.params == {"synthetic.seeds": "3", "synthetic.dims.a": "32"}
    assert x.data.tags["rule"] == "score_synthetic"
    assert x.info.status == "FINISHED"
    lasted = [run.info.end_time - run.info.start_time for run in logged]
    assert lasted == [4250, 1500, 4250]  # as their jobs did, the report as all jobs
    assert x.info.end_time == int((folder / "runs.json").stat().st_mtime * 1000)
    assert client.get_experiment(experiment.experiment_id).tags["mlflow.note.content"] == "What it is."
    assert x.data.tags["mlflow.note.content"] == "a 32"  # what tells it from the others
    assert x.data.tags["mlflow.source.name"] == "workflow/rules/synthetic.smk"
    history = client.get_metric_history(x.info.run_id, "recall_at_1")
    assert [(m.step, m.value) for m in history] == [(0, 0.25), (1, 0.5)]
    assert x.data.tags["mlflow.source.git.commit"] == "one"
    held = next(run for run in logged if run.info.run_name == "report")
    assert [a.path for a in client.list_artifacts(held.info.run_id, "tables")] == ["tables/t.csv"]
    receipt = read_json("receipt.json")
    assert receipt["pending"] is None
    assert set(receipt["runs"].values()) == {run.info.run_id for run in logged}


def test_a_run_that_was_cut_off_is_logged_again(folder: Path) -> None:
    write_runs("synthetic", [a_run()], [], "runs.json")
    log_runs("runs.json", "receipt.json", progress=False)
    client = MlflowClient(database(folder))
    first = read_json("receipt.json")["runs"]["l2 direct"]
    client.delete_tag(first, "ucl.complete")  # as if the process had died before the end
    log_runs("runs.json", "receipt.json", progress=False)
    second = read_json("receipt.json")["runs"]["l2 direct"]
    assert second != first
    experiment = client.get_run(second).info.experiment_id
    assert sorted(run.info.run_id for run in client.search_runs([experiment])) == sorted(
        [second, read_json("receipt.json")["runs"]["report"]]
    )


def test_an_unreachable_server_loses_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_runs("synthetic", [a_run()], [], "runs.json")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # the discard port: nobody listens
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert not log_runs("runs.json", "receipt.json", progress=False)
    told = capsys.readouterr().err.strip()
    assert len(told.splitlines()) == 1
    assert "http://127.0.0.1:9" in told
    assert "ucl track runs.json" in told
    assert read_json("receipt.json")["pending"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database(folder))
    assert log_runs("runs.json", "receipt.json", progress=False)
    assert read_json("receipt.json")["pending"] is None


def test_jobs_side_by_side_lose_nothing_to_a_locked_database(folder: Path) -> None:
    """Also the very first use, when the database is still to be created."""
    (folder / "mlflow.db").unlink()
    code = "import sys; from ucl.reporting.tracking import log_runs; sys.exit(not log_runs(*sys.argv[1:], False))"
    jobs = []
    for job in range(3):
        write_runs("synthetic", [a_run(f"job {job} run {i}") for i in range(4)], [], f"runs{job}.json")
        jobs.append(subprocess.Popen([sys.executable, "-c", code, f"runs{job}.json", f"receipt{job}.json"]))
    assert [job.wait() for job in jobs] == [0, 0, 0]
    client = MlflowClient(database(folder))
    experiment = client.get_experiment_by_name("ucl/synthetic")
    assert experiment is not None
    assert (
        len({run.info.run_name for run in client.search_runs([experiment.experiment_id])}) == 13
    )  # and the one report that they share by name


def test_parameters_are_flat_and_named_as_in_the_file() -> None:
    assert flatten({"seeds": 2, "dims": {"a": 1}, "critics": ["l2"]}, "synthetic") == {
        "synthetic.seeds": 2,
        "synthetic.dims.a": 1,
        "synthetic.critics": ["l2"],
    }


def test_another_result_is_another_digest() -> None:
    assert a_run().digest == a_run().digest
    assert a_run().digest != a_run(metrics={"recall_at_1": [[0, 0.26]]}).digest
    assert a_run().digest != a_run(params={"synthetic.seeds": 4}).digest


def test_the_code_is_named() -> None:
    commit = describe_code()["mlflow.source.git.commit"]
    assert commit == "unknown" or len(commit) == 40
