"""How long a run's job took: from the file that Snakemake's `benchmark` writes for it."""

import csv
import re
from collections.abc import Mapping
from math import fsum
from pathlib import Path

__all__ = ["benchmark_of", "seconds_of"]


def benchmark_of(tags: Mapping[str, str], jobs: Mapping[str, str]) -> str | None:
    """The benchmark files of the jobs that `tags` name by rule and wildcards (`a=x b=y`), as a pattern of paths.

    `jobs` is each rule's file, wildcards in braces; those that the tags leave open stand for all. None for a rule that
    has no such file.
    """
    named = dict(each.split("=", 1) for each in tags.get("wildcards", "").split())
    file = jobs.get(tags.get("rule", ""))
    return file and re.sub(r"\{(\w+)\}", lambda found: named.get(found[1], "*"), file)


def seconds_of(pattern: str | None) -> float:
    """Seconds of all jobs whose benchmark files fit the pattern, summed; 0 where none is left."""
    found = Path().glob(pattern) if pattern else []
    return fsum(float(job["s"]) for file in found for job in _read(file))


def _read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table, delimiter="\t"))
