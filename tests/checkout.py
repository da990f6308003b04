"""A copy of what the workflow needs of the repository, as a clone has it, for tests to run and edit."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("Snakefile", "params.yaml", "profiles", "workflow", "ucl", "data", "tests/smoke/params.yaml", ".dvc/config")


def copy_checkout(folder: Path) -> Path:
    """Copy into a folder, which is returned."""
    for name in SOURCES:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    return folder
