"""Suite `stamps` in the workflow, which the smoke run leaves out: what its code is, and what is made anew."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from checkout import copy_checkout

STAMPS = "results/bridging/stamps"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = copy_checkout(tmp_path_factory.mktemp("checkout"))
    (copy / "media").mkdir()
    (copy / "stamps.yaml").write_text("bridging: {suites: [stamps], stamps: {splits: 2}}\nmedia: {stamps: media}\n")
    return copy


def plan(checkout: Path, folder: Path, *configfiles: str) -> str:
    """What a dry run of `bridging` tells."""
    kept = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    overlay = ["--configfile", *configfiles] if configfiles else []
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "bridging", "--directory", str(folder), "--dry-run", *overlay],
        cwd=checkout,
        env=kept | {"PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


def code(checkout: Path, folder: Path, *configfiles: str) -> str:
    """The digest of `bridging`'s code, by which DVC knows what to make anew."""
    plan(checkout, folder, *configfiles)
    return json.loads((folder / "results/code/bridging.json").read_text())["code"]


def test_scripts_of_stamps_are_code_of_bridging_where_stamps_are_a_suite(checkout: Path, tmp_path: Path) -> None:
    module = checkout / "ucl/stamps/training.py"
    text = module.read_text()
    assert text.count("PATIENCE = 6") == 1
    before = [code(checkout, tmp_path, *files) for files in ([], ["stamps.yaml"])]
    module.write_text(text.replace("PATIENCE = 6", "PATIENCE = 7"))
    try:
        after = [code(checkout, tmp_path, *files) for files in ([], ["stamps.yaml"])]
    finally:
        module.write_text(text)
    assert after[0] == before[0]
    assert after[1] != before[1]


@pytest.fixture(scope="module")
def finished(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file for each output, as if all had been made in one moment."""
    folder, moment = tmp_path_factory.mktemp("finished"), time.time()
    outputs = re.findall("Missing output files: ([^;\n]+)", plan(checkout, folder, "stamps.yaml"))
    for name in {name for line in outputs for name in line.split(", ")}:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        os.utime(path, (moment, moment))
    assert "Nothing to be done" in plan(checkout, folder, "stamps.yaml")
    return folder


@pytest.mark.parametrize(
    ("file", "rule"),
    [
        (f"{STAMPS}/items.parquet", "list_stamps"),
        (f"{STAMPS}/features/speech.safetensors", "embed_stamps"),
        (f"{STAMPS}/seed1/models/audio_image.safetensors", "train_stamps"),
        (f"{STAMPS}/seed1/models/sound_text.safetensors", "score_stamps_sounds"),
        (f"{STAMPS}/models/sound_text.safetensors", "publish_stamps"),
        ("results/data/weights/yamnet.tflite.pulled.json", "pull_data"),
    ],
)
def test_what_is_deleted_is_made_anew(checkout: Path, finished: Path, file: str, rule: str) -> None:
    path, kept = finished / file, finished / "kept"
    path.rename(kept)
    try:
        assert re.search(rf"^{rule} +1$", plan(checkout, finished, "stamps.yaml"), re.M)
    finally:
        kept.rename(path)
