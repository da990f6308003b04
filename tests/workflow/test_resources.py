"""Every rule's jobs state what they need, and name the files they use; what is installed is what is pinned."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from bench import job_needs

ROOT = Path(__file__).parents[2]
RULES = "".join(file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk"))


def test_the_table_holds_rules_that_are_there_and_most_of_them() -> None:
    known = job_needs.patterns()
    rows = [line.split(",") for line in job_needs.TABLE.read_text().splitlines()]
    assert rows[0] == list(job_needs.FIELDS)
    table = {row[0]: row[1:] for row in rows[1:]}
    assert set(table) <= set(known)
    assert len(table) > 0.6 * len(known)  # new experiments are asked for the default until they are measured
    for megabytes, seconds, jobs, scale in table.values():
        assert 0 < int(megabytes) < 16_000
        assert int(seconds) >= 0 < int(jobs)
        assert scale in ("paper", "demo")


def test_the_table_takes_the_most_of_a_rule_and_paper_before_demo(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(job_needs, "TABLE", tmp_path / "measured.csv")
    header = "s\th:m:s\tmax_rss\n"
    for scale, files in {
        "paper": {"scaling/score_image": (30, 700.4), "scaling/score_language": (40, 600), "lemmas/draw": (1, "-")},
        "demo": {"scaling/score_image": (99, 999), "scaling/score_image_1-of-4": (5, 300), "maze/fork/train": (6, 50)},
    }.items():
        for name, (seconds, memory) in files.items():
            path = tmp_path / scale / f"{name}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{header}{seconds}\t0:00:01\t{memory}\n")
    for words in ([str(tmp_path / "paper"), "--demo", str(tmp_path / "demo")], ["--demo", str(tmp_path / "demo")]):
        job_needs.main(words)
        assert job_needs.TABLE.read_text().splitlines()[1:] == [
            "draw_lemmas,0,1,1,paper",
            "score_scaling,700,40,2,paper",
            "score_scaling_shard,300,5,1,demo",
            "train_maze,50,6,1,demo",
        ]


def test_scripts_use_the_paths_that_rules_give_them() -> None:
    for script in (ROOT / "workflow/scripts").rglob("*.py"):
        code = re.sub(r'""".*?"""', "", script.read_text(), flags=re.S)
        assert not re.search(r'["\'](results|reports|data)/', code), script


def test_no_rule_writes_memory_or_time_by_hand() -> None:
    assert not re.search(r"\b(mem_mb|runtime)=", RULES)


@pytest.fixture(scope="module")
def pins() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_pins", ROOT / "workflow/envs/check_pins.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_differences_from_the_pins_are_told(pins: ModuleType) -> None:
    text = "# all\nPyYAML==6.0\nruff==1.2  # a tool\nzope.interface==5.0\nnot-here==1.0; python_version < '3'\n"
    assert pins.differences(text, {"pyyaml": "6.0", "zope-interface": "5.0", "ucl": "0.1.0"}) == []
    assert pins.differences(text, {"ruff": "1.3", "pyyaml": "6.0", "other": "2"}) == [
        "other 2: expected no such package",
        "ruff 1.3: expected 1.2",
    ]
