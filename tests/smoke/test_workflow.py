"""The whole DAG, tiny: every file is made, nothing twice, and a killed run is finished as if nothing had happened."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REPORTS = (
    "index.html",
    "README.md",
    "metrics/synthetic.json",
    "figures/synthetic_held_out.svg",
)


def command(folder: Path, *arguments: str) -> list[str]:
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    overlay = ["--configfile", str(ROOT / "tests/smoke/params.yaml")]
    return [*snakemake, *overlay, "--cores", "2", *arguments]


def environment() -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return inherited | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *arguments),
        cwd=ROOT,
        env=environment() | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def digests(folder: Path) -> dict[str, str]:
    """What `synthetic` left, by content, but for what carries times and ids."""
    files = [*folder.glob("results/synthetic/**/*"), *folder.glob("reports/*/synthetic*")]
    mine = ("tracked.json", "runs.json")
    kept = [p for p in files if p.is_file() and p.name not in mine and not p.name.startswith(".")]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in kept}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    result = run(folder)
    assert result.returncode == 0, result.stderr[-3000:]
    return folder


@pytest.mark.timeout(900)
def test_everything_is_made_and_nothing_twice(finished: Path) -> None:
    for name in REPORTS:
        assert (finished / "reports" / name).stat().st_size > 100, name
    assert not list(finished.rglob("*.tmp*"))
    again = run(finished, "--dry-run")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_metrics_have_the_promised_form(finished: Path) -> None:
    metrics = json.loads((finished / "reports/metrics/synthetic.json").read_text())
    assert set(metrics) == {"published", "held_out"}
    methods = ["direct", "monte_carlo_unscaled", "monte_carlo", "monte_carlo_normalized", "ground_truth", "bayes"]
    for critics in metrics.values():
        assert set(critics) == {"cosine", "dot", "l2"}
        for entries in critics.values():
            assert list(entries) == methods
            for entry in entries.values():
                assert set(entry) == {"recall_at_1", "sd", "seeds"}
                assert entry["seeds"] == 2
                assert 0 <= entry["recall_at_1"] <= 1


def test_runs_are_in_mlflow(finished: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{finished / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ucl/synthetic")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    reports = [logged for logged in runs if logged.info.run_name == "report"]
    configurations = [logged for logged in runs if logged.info.run_name != "report"]
    assert len(configurations) == 2 * 3 * 6
    for logged in configurations:
        assert logged.data.params["synthetic.dims.a"] == "32"
        assert {"mlflow.source.git.commit", "rule", "wildcards", "data.sha256"} <= set(logged.data.tags)
        assert len(client.get_metric_history(logged.info.run_id, "epochs/recall_at_1")) == 2
    assert {a.path for a in client.list_artifacts(reports[0].info.run_id)} == {"tables", "metrics", "figures"}


def test_touched_files_re_run_nothing_and_edited_parameters_little(finished: Path) -> None:
    for path in (finished / "results").rglob("*.safetensors"):
        path.touch()
    plan = run(finished, "--dry-run")
    assert "Nothing to be done" in plan.stdout + plan.stderr
    plan = run(finished, "--dry-run", "--config", "synthetic={critics: [l2]}")
    assert not {"sample_synthetic", "train_synthetic", "score_synthetic"} & set((plan.stdout + plan.stderr).split())
    assert "collect_synthetic" in plan.stdout + plan.stderr


@pytest.mark.timeout(900)
def test_a_killed_run_is_finished_with_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path, "synthetic"),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    data = tmp_path / "results/synthetic/data.safetensors"
    deadline = time.monotonic() + 300
    while not data.exists():  # some jobs done, others to come
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    time.sleep(4)  # into the next jobs
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "reports/metrics/synthetic.json").exists()
    second = run(tmp_path, "synthetic")
    assert second.returncode == 0, second.stderr[-3000:]
    assert len(digests(finished)) > 30
    assert digests(tmp_path) == digests(finished)


def test_wrong_parameters_stop_before_any_job(tmp_path: Path) -> None:
    result = run(tmp_path, "--config", "synthetic={seds: 20}")
    assert result.returncode != 0
    told = [line for line in result.stderr.splitlines() if "synthetic.seds" in line]
    assert len(told) == 1
    assert "did you mean seeds?" in told[0]
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "results").exists()
