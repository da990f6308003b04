"""DVC's stages are the workflow's experiments, what it compares is small, its page needs no network, and it names the
experiments that Snakemake names."""

import ast
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
TINY = yaml.safe_load((ROOT / "tests/smoke/params.yaml").read_text())["lemmas"]


def registered() -> dict[str, list[str]]:
    """Experiment -> stems of its figures, as the rule files register them."""
    found = {}
    for file in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for text in re.findall(r"^experiment\(.*?\)$", file.read_text(), re.MULTILINE | re.DOTALL):
            call = ast.parse(text, mode="eval").body
            assert isinstance(call, ast.Call)
            figures = next(keyword.value for keyword in call.keywords if keyword.arg == "figures")
            found[ast.literal_eval(call.args[0])] = ast.literal_eval(figures)
    return found


EXPERIMENTS = registered()
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # for the commands of the stages


def run(folder: Path, module: str, *arguments: str) -> str:
    """What `python -m <module>` prints, in a folder whose `ucl` it uses."""
    kept = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder), "PATH": PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def paths(entries: Sequence[Any]) -> list[str]:
    """The files of a stage's section; those with settings are mappings of one key."""
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def test_a_stage_for_every_experiment() -> None:
    assert set(STAGES) == {"ask_snakemake", *EXPERIMENTS, "report"}
    for name, figures in EXPERIMENTS.items():
        stage = STAGES[name]
        assert stage["cmd"] == f"snakemake --cores all {name} report --config only={name}"
        assert {name, f"results/code/{name}.json"} <= set(paths(stage["params"]))
        assert paths(stage["metrics"]) == [f"reports/headlines/{name}.json"]
        assert sorted(paths(stage["plots"])) == sorted(f"reports/figures/{stem}.png" for stem in figures)


def test_finished_work_is_never_deleted_and_reports_stay_in_git() -> None:
    for stage in STAGES.values():
        for entry in [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]:
            (path, settings), *_ = entry.items()
            assert settings["persist"]
            assert settings.get("cache", True) == (path == "results/maze/data")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_headline_is_a_handful_of_numbers(name: str) -> None:
    headline = json.loads((ROOT / f"reports/headlines/{name}.json").read_text())
    assert 1 <= len(headline) <= 8
    assert all(isinstance(value, int | float) and math.isfinite(value) for value in headline.values())


def test_the_lock_is_one_that_dvc_reads() -> None:
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text())
    assert lock["schema"] == "2.0"
    assert set(lock.get("stages", {})) <= set(STAGES)


def test_metrics_fit_a_screen() -> None:
    shown = run(ROOT, "dvc", "metrics", "show")
    assert len(shown.splitlines()) < 60
    assert all(f"reports/headlines/{name}.json" in shown for name in EXPERIMENTS)


def test_the_page_of_figures_needs_no_network(tmp_path: Path) -> None:
    run(ROOT, "dvc", "plots", "show", "--out", str(tmp_path))
    page = (tmp_path / "index.html").read_text()
    assert not re.search(r"https?://|<script", page)
    images = re.findall(r'<img src="([^"]+)"', page)
    assert len(images) == sum(map(len, EXPERIMENTS.values()))
    assert all((tmp_path / image).stat().st_size > 1000 for image in images)


# --- DVC and Snakemake, in a copy of the repository ------------------------------------------------------------------


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as it is, under version control, with `lemmas` made tiny."""
    folder = tmp_path_factory.mktemp("copy")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["lemmas"] |= TINY
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    (folder / "dvc.lock").unlink()
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for arguments in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "all"]):
        subprocess.run([*git, *arguments], cwd=folder, check=True)
    return folder


def named_by_dvc(folder: Path) -> set[str]:
    return set(re.findall(r"Running stage '(\w+)'", run(folder, "dvc", "repro", "--dry"))) - {"ask_snakemake"}


def named_by_snakemake(folder: Path) -> set[str]:
    """The experiments whose rules have jobs to do, and `report`."""
    table = run(folder, "snakemake", "--dry-run", "--quiet", "rules")
    jobs = set(re.findall(r"^(\w+) +\d+$", table, re.MULTILINE)) - {"all", "total"}
    rules = {}
    for file in (ROOT / "workflow/rules").glob("*.smk"):
        for rule in re.findall(r"^(?:use )?rule (?:\w+ as )?(\w+)", file.read_text(), re.MULTILINE):
            rules[rule] = file.stem
    return {rules[job] for job in jobs - {"track"}}  # which logs the runs of any of them


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


@pytest.mark.timeout(900)
def test_dvc_names_what_snakemake_names(copy: Path) -> None:
    everything = {*EXPERIMENTS, "report"}
    assert named_by_dvc(copy) == everything  # before Snakemake was ever called
    assert named_by_snakemake(copy) == everything
    assert named_by_dvc(copy) == everything

    run(copy, "dvc", "repro", "lemmas")
    others = everything - {"lemmas"}
    assert named_by_snakemake(copy) == named_by_dvc(copy) == others
    assert (copy / "reports/tables/lemmas.md").read_text() in (copy / "reports/README.md").read_text()
    status = subprocess.run(["git", "status", "--short"], cwd=copy, capture_output=True, text=True, check=True).stdout
    changed = {Path(line[3:]).name for line in status.splitlines()} - {"dvc.lock", "index.html", "README.md"}
    assert {name.split(".")[0].split("_")[0] for name in changed} == {"lemmas"}

    room = copy / "ucl/experiments/lemmas"
    edit(room / "figures.py", '"""From `checks`."""', '"""From the one table `checks`."""')
    edit(room / "page.md.j2", "Do Lemmas 1 to 4", "Do the Lemmas 1 to 4")
    assert named_by_snakemake(copy) == named_by_dvc(copy) == others
    edit(room / "figures.py", "figsize=(6.4, 2.7)", "figsize=(6.4, 2.8)")
    assert named_by_snakemake(copy) == named_by_dvc(copy) == everything
