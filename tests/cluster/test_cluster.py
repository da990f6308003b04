"""The workflow on a real Slurm of one node: the same metrics, byte for byte, as on this machine alone.

`make cluster-test`; not part of `make test` (minutes, root, and Debian's slurm-wlm and munge).
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import copy_checkout

sys.path.insert(0, str(Path(__file__).parent))
import slurm

PROFILE = ["--workflow-profile", "profiles/slurm", "--slurm-no-account", "--default-resources", "slurm_partition=main"]
pytestmark = [
    pytest.mark.skipif(slurm.missing() is not None, reason=str(slurm.missing())),
    pytest.mark.timeout(5400),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a Slurm that runs."""
    folder = tmp_path_factory.mktemp("slurm")
    slurm.start(folder)
    yield folder
    slurm.stop(folder)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """On a file system that the nodes share."""
    copy = copy_checkout(tmp_path_factory.mktemp("checkout"))
    (copy / "shards.yaml").write_text("scaling: {bank_shards: 4}\n")
    return copy


def command(folder: Path, *words: str) -> list[str]:
    """`words` are the target, then options; `shards.yaml` first among them: banks of `scaling` in four shards."""
    snakemake = [sys.executable, "-m", "snakemake", *words[:1], "--directory", str(folder)]
    return [*snakemake, "--configfile", "tests/smoke/params.yaml", *words[1:]]


def environment(checkout: Path, cluster: Path | None) -> dict[str, str]:
    given = dict(os.environ) if cluster is None else slurm.environment(cluster)
    given.pop("MLFLOW_TRACKING_URI", None)
    return given | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout)}


def run(checkout: Path, folder: Path, cluster: Path | None, *words: str) -> str:
    """What a run tells; with a cluster, its jobs go there."""
    words = (*words, *(PROFILE if cluster else ["--cores", "2"]))
    done = subprocess.run(
        command(folder, *words),
        cwd=checkout,
        env=environment(checkout, cluster),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def local(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole DAG, tiny, on this machine alone; the banks of `scaling` in four shards."""
    folder = tmp_path_factory.mktemp("local")
    run(checkout, folder, None, "all", "shards.yaml")
    return folder


def metrics(folder: Path, *names: str) -> dict[str, bytes]:
    """All metrics but for how long something took."""
    found = {path.stem: path.read_bytes() for path in sorted((folder / "reports/metrics").glob("*.json"))}
    return {name: content for name, content in found.items() if not names or name in names}


def without_seconds(found: dict[str, bytes]) -> dict[str, bytes]:
    return {name: re.sub(rb'"[a-z_]*seconds": [-\d.e]+', b"", content) for name, content in found.items()}


def test_the_whole_dag_gives_the_same_metrics(checkout: Path, cluster: Path, local: Path, tmp_path: Path) -> None:
    told = run(checkout, tmp_path, cluster, "all", "shards.yaml")
    assert len(re.findall("has been submitted with SLURM jobid", told)) > 30
    assert len(re.findall("rule score_scaling_shard", told)) == 0 or "shard 4-of-4" in told
    expected = without_seconds(metrics(local))
    assert len(expected) > 8
    assert without_seconds(metrics(tmp_path)) == expected
    assert json.loads((tmp_path / "results/synthetic/tracked.json").read_text())["pending"] is None
    benchmarks = [path.read_text().split()[-8:] for path in (tmp_path / "results/benchmarks").rglob("*.tsv")]
    assert benchmarks
    assert "Nothing to be done" in run(checkout, tmp_path, None, "all", "shards.yaml")


def test_a_bank_in_four_shards_is_a_bank_in_one_piece(checkout: Path, cluster: Path, tmp_path: Path) -> None:
    run(checkout, tmp_path / "four", cluster, "scaling", "shards.yaml", "--config", "only=scaling")
    run(checkout, tmp_path / "local", None, "scaling", "shards.yaml", "--config", "only=scaling")
    run(checkout, tmp_path / "one", None, "scaling", "--config", "only=scaling")
    assert metrics(tmp_path / "four") == metrics(tmp_path / "local")
    four, one = (json.loads(metrics(tmp_path / name)["scaling"]) for name in ("four", "one"))
    pairs = list(zip(numbers(four), numbers(one), strict=True))
    assert len(pairs) > 20
    assert all(path == other and value == pytest.approx(known, rel=1e-5) for (path, value), (other, known) in pairs)
    assert not list((tmp_path / "four/results/scaling").glob("*/shards/*"))  # temporary


def numbers(value: object, path: str = "") -> Iterator[tuple[str, float]]:
    """All numbers of a JSON document with their places."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, f"{path}.{key}")
    elif isinstance(value, int | float):
        yield path, value


def test_a_killed_node_daemon_changes_nothing(checkout: Path, cluster: Path, tmp_path: Path) -> None:
    words = command(tmp_path / "cluster", "synthetic", "--config", "only=synthetic", *PROFILE)
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(
        words, cwd=checkout, env=environment(checkout, cluster), stdout=log, stderr=subprocess.STDOUT
    )
    data = tmp_path / "cluster/results/synthetic/data.safetensors"
    end = time.monotonic() + 600
    while not data.exists() or "R" not in slurm.states(cluster):  # the next jobs run
        assert process.poll() is None, (tmp_path / "log").read_text()[-3000:]
        assert time.monotonic() < end
        time.sleep(0.5)
    slurm.kill_node(cluster)
    time.sleep(10)
    slurm.start_node(cluster)
    slurm.wait_idle(cluster)
    assert process.wait() == 0, (tmp_path / "log").read_text()[-6000:]
    log.close()
    run(checkout, tmp_path / "local", None, "synthetic", "--config", "only=synthetic")
    assert metrics(tmp_path / "cluster") == metrics(tmp_path / "local")


def test_a_job_that_is_killed_for_its_memory_gets_more(checkout: Path, cluster: Path, tmp_path: Path) -> None:
    table = checkout / "workflow/measured.csv"
    text = table.read_text()
    changed = re.sub(r"^check_lemmas,\d+,", "check_lemmas,1,", text, flags=re.M)
    assert changed != text
    table.write_text(changed)  # its first attempt gets half of what it needs
    try:
        told = run(checkout, tmp_path / "cluster", cluster, "lemmas", "--config", "only=lemmas")
    finally:
        table.write_text(text)
    assert told.count("has been submitted with SLURM jobid") > 1
    assert "OUT_OF_MEMORY" in told or "FAILED" in told or "CANCELLED" in told
    assert "Trying to restart job" in told
    run(checkout, tmp_path / "local", None, "lemmas", "--config", "only=lemmas")
    assert metrics(tmp_path / "cluster") == metrics(tmp_path / "local")
