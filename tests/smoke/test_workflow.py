"""The whole DAG, tiny: every file is made, nothing twice, and a killed run is finished as if nothing had happened.

It runs from a copy of the repository, in which tests edit code and ask what has become stale.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from checkout import copy_checkout

REPORTS = (
    "index.html",
    "README.md",
    "claims.txt",
    "metrics/synthetic.json",
    "figures/synthetic_held_out.svg",
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_checkout(tmp_path_factory.mktemp("checkout"))


SNAKEMAKE = ["-m", "snakemake"]
WARM = ["-c", "import warm; warm.main()"]


def command(folder: Path, *arguments: str, snakemake: Sequence[str] = SNAKEMAKE) -> list[str]:
    overlay = ["--configfile", "tests/smoke/params.yaml"]
    return [sys.executable, *snakemake, "--directory", str(folder), *overlay, "--cores", "2", *arguments]


def environment(checkout: Path) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    path = os.pathsep.join([str(checkout), str(checkout / "workflow/plugins")])  # for `warm`
    return inherited | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}


def run(
    checkout: Path, folder: Path, *arguments: str, snakemake: Sequence[str] = SNAKEMAKE
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *arguments, snakemake=snakemake),
        cwd=checkout,
        env=environment(checkout),
        capture_output=True,
        text=True,
        check=False,
    )


def planned(checkout: Path, folder: Path, *arguments: str) -> set[str]:
    """The rules that would run."""
    plan = run(checkout, folder, "--dry-run", *arguments)
    assert plan.returncode == 0, plan.stderr[-3000:]
    stats = re.search(r"^job +count\n-.*?\n(.*?)^total", plan.stdout + plan.stderr, re.S | re.M)
    return {line.split()[0] for line in stats[1].splitlines()} - {"all"} if stats else set()


@contextmanager
def edited(checkout: Path, file: str, old: str, new: str) -> Iterator[None]:
    path = checkout / file
    text = path.read_text()
    assert text.count(old) == 1, (file, old)
    path.write_text(text.replace(old, new))
    try:
        yield
    finally:
        path.write_text(text)


def digests(folder: Path) -> dict[str, str]:
    """What `synthetic` left, by content, but for what carries times and ids."""
    files = [*folder.glob("results/synthetic/**/*"), *folder.glob("reports/*/synthetic*")]
    mine = ("tracked.json", "runs.json")
    kept = [p for p in files if p.is_file() and p.name not in mine and not p.name.startswith(".")]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in kept}


@pytest.fixture(scope="module")
def finished(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    result = run(checkout, folder, snakemake=WARM)
    assert result.returncode == 0, result.stderr[-3000:]
    return folder


@pytest.mark.timeout(900)
def test_everything_is_made_and_nothing_twice(checkout: Path, finished: Path) -> None:
    for name in REPORTS:
        assert (finished / "reports" / name).stat().st_size > 100, name
    assert not list(finished.rglob("*.tmp*"))
    assert planned(checkout, finished) == set()


def test_metrics_have_the_promised_form(finished: Path) -> None:
    metrics = json.loads((finished / "reports/metrics/synthetic.json").read_text())
    assert set(metrics) == {"published", "held_out"}
    methods = ["direct", "monte_carlo_unscaled", "monte_carlo", "monte_carlo_normalized", "ground_truth", "bayes"]
    for critics in metrics.values():
        assert set(critics) == {"cosine", "l2"}
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
    assert len(configurations) == 2 * 2 * 6
    for logged in configurations:
        assert logged.data.params["synthetic.dims.a"] == "32"
        assert {"mlflow.source.git.commit", "rule", "wildcards", "data.sha256"} <= set(logged.data.tags)
        assert len(client.get_metric_history(logged.info.run_id, "epochs/recall_at_1")) == 2
    assert {a.path for a in client.list_artifacts(reports[0].info.run_id)} == {
        "tables",
        "metrics",
        "headlines",
        "figures",
    }


def test_runs_last_as_long_as_their_jobs(finished: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{finished / 'mlflow.db'}")
    experiments = [each for each in client.search_experiments() if each.name != "Default"]
    assert len(experiments) > 8
    for experiment in experiments:
        runs = client.search_runs([experiment.experiment_id])
        assert [run.info.run_name for run in runs if run.info.end_time <= run.info.start_time] == []


def test_touched_files_re_run_nothing_and_edited_parameters_little(checkout: Path, finished: Path) -> None:
    for path in (finished / "results").rglob("*.safetensors"):
        path.touch()
    assert planned(checkout, finished) == set()
    fewer = planned(checkout, finished, "--config", "synthetic={critics: [l2]}")
    assert not {"sample_synthetic", "train_synthetic", "score_synthetic"} & fewer
    assert "collect_synthetic" in fewer


# What a test edits, and which rules must then run: all of them, and no others.
SHOWN = {"collect_synthetic", "draw_synthetic", "track", "report"}
TRAININGS = {
    "train_synthetic", "train_disparate", "train_independence", "learn_marginals", "learn_peers", "refer_peers",
    "learn_diagnosis", "embed_scaling",
}  # fmt: skip
EDITS = {
    "training": (
        "ucl/experiments/synthetic/training.py",
        'modalities = "ac" if name',
        'modalities = "ca" if name',
        {"train_synthetic", "score_synthetic"} | SHOWN,
    ),
    "summary": ("ucl/experiments/synthetic/summary.py", "else 0.0\n", "else 0.1\n", SHOWN),
    "figure": (
        "ucl/experiments/synthetic/figures.py",
        "figsize=(9.3, 3.4)",
        "figsize=(9.4, 3.4)",
        SHOWN - {"collect_synthetic"},
    ),
    "page": ("ucl/experiments/synthetic/page.md.j2", "## synthetic", "## Synthetic", {"report"}),
    "script": (
        "workflow/scripts/synthetic/sample.py",
        "start(snakemake)",
        "start( snakemake ) or 1",
        {"sample_synthetic", "train_synthetic", "score_synthetic"} | SHOWN,
    ),
    "docstring": ("ucl/learning/training.py", "Put the data into the order", "Lay the data out in the order", set()),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", EDITS)
def test_an_edit_makes_stale_what_it_concerns_and_nothing_else(checkout: Path, finished: Path, kind: str) -> None:
    file, old, new, expected = EDITS[kind]
    with edited(checkout, file, old, new):
        assert planned(checkout, finished) - {"track"} == expected - {"track"}


def test_an_edit_of_what_all_trainings_share_re_trains_them(checkout: Path, finished: Path) -> None:
    with edited(checkout, "ucl/learning/losses.py", "import torch\n", "import torch\n\nedited = True\n"):
        rules = planned(checkout, finished)
    assert rules >= TRAININGS
    assert not {"solve_maze", "make_maze_data", "simulate_sphere", "prepare_digits"} & rules


ON_THE_WAY = (  # two rounds, so that each experiment is told from one file
    (
        "synthetic/data.safetensors",
        "disparate/*.parquet",
        "marginals/cosine_*.safetensors",
        "peers/*.safetensors",
        "diagnosis/*.safetensors",
        "scaling/*/embeddings.safetensors",
        "bridging/digits/seed0/stores/image_text.image.parquet",
        "maze/*/occupancy.safetensors",
    ),
    ("synthetic/d8_*/l2.safetensors", "diagnosis/*.tests.parquet", "maze/data/ucl/*/oracle-v0/data/main_data.hdf5"),
)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("patterns", ON_THE_WAY)
def test_whoever_deletes_a_file_on_the_way_gets_it_and_what_follows_again(
    checkout: Path, finished: Path, patterns: tuple[str, ...]
) -> None:
    deleted = [next((finished / "results").glob(pattern)) for pattern in patterns]
    for path in deleted:
        path.rename(path.with_name(".kept"))
    rules = planned(checkout, finished)
    for path in deleted:
        path.with_name(".kept").rename(path)
    collected = {rule for rule in rules if rule.startswith("collect_")}
    assert collected == {f"collect_{pattern.split('/')[0]}" for pattern in patterns}


@pytest.mark.timeout(600)
def test_damaged_files_are_noticed_and_made_again(checkout: Path, finished: Path) -> None:
    before = digests(finished)
    (scores,) = (finished / "results/synthetic").glob("*/held_out/l2.epochs.parquet")
    content = bytearray(scores.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    scores.write_bytes(bytes(content))
    broken = run(checkout, finished, "synthetic")
    assert broken.returncode != 0
    assert f"{scores.relative_to(finished)} is damaged" in broken.stderr
    scores.unlink()
    (finished / "reports/metrics/synthetic.json").write_bytes(b"")
    mended = run(checkout, finished, "all")
    assert mended.returncode == 0, mended.stderr[-3000:]
    assert digests(finished) == before
    assert planned(checkout, finished) == set()


@pytest.mark.timeout(900)
def test_a_killed_run_is_finished_with_the_same_bytes(checkout: Path, finished: Path, tmp_path: Path) -> None:
    """Of what one set of scores needs: a job is done, a job is killed, a job has not begun."""
    scores = "results/synthetic/d8_s0.01_p0.0/held_out/l2.epochs.parquet"
    process = subprocess.Popen(
        command(tmp_path, scores),
        cwd=checkout,
        env=environment(checkout),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    data = tmp_path / "results/synthetic/data.safetensors"
    deadline = time.monotonic() + 300
    while not (data.exists() and list(tmp_path.glob(".snakemake/scripts/*.train.py"))):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list((tmp_path / "results").rglob("l2.*"))
    second = run(checkout, tmp_path, scores)
    assert second.returncode == 0, second.stderr[-3000:]
    made = digests(tmp_path)
    assert {Path(name).name for name in made} == {
        "data.safetensors", "l2.safetensors", "l2.losses.parquet", "l2.epochs.parquet", "l2.candidates.parquet",
    }  # fmt: skip
    assert made.items() <= digests(finished).items()


def test_wrong_parameters_stop_before_any_job(checkout: Path, tmp_path: Path) -> None:
    result = run(checkout, tmp_path, "--config", "synthetic={seds: 20}")
    assert result.returncode != 0
    told = [line for line in result.stderr.splitlines() if "synthetic.seds" in line]
    assert len(told) == 1
    assert "did you mean seeds?" in told[0]
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "results").exists()


def test_a_key_that_is_given_twice_stops_before_any_job(checkout: Path, tmp_path: Path) -> None:
    overlay = checkout / "twice.yaml"
    overlay.write_text("synthetic:\n  seeds: 2\n  seeds: 3\n")
    result = run(checkout, tmp_path, "--configfile", "twice.yaml")
    assert result.returncode != 0
    assert "duplicate key 'seeds'" in result.stderr
    assert "Traceback" not in result.stderr
