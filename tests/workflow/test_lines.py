"""What `make demo` shows of a run, from Snakemake itself: long jobs by name, short ones counted, a failed one's log."""

import os
import subprocess
import sys
from pathlib import Path

PLUGINS = Path(__file__).parents[2] / "workflow/plugins"
SNAKEFILE = """
rule all:
    input: ["good.txt", {more}]
rule short:
    output: "good.txt"
    message: "Making the short one"
    shell: "touch {{output}}"
rule bad:
    output: "bad.txt"
    log: "bad.log"
    message: "Making the bad one"
    shell: "echo what went wrong > {{log}}; false"
"""


def run(folder: Path, more: str) -> subprocess.CompletedProcess[str]:
    (folder / "Snakefile").write_text(SNAKEFILE.format(more=more))
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--logger", "lines", "--keep-going"]
    environment = os.environ | {"PYTHONPATH": str(PLUGINS)}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


def test_short_jobs_are_counted_and_a_failed_one_is_shown_with_its_log(tmp_path: Path) -> None:
    done = run(tmp_path, "")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[0] == "2 jobs to do; those under 5 s are counted, not listed"
    assert lines[-1].startswith("all 2 jobs done in 0:00:0")
    assert "Select jobs" not in done.stdout + done.stderr
    failed = run(tmp_path, '"bad.txt"')
    assert failed.returncode != 0
    assert "FAILED  Making the bad one\nthe end of bad.log:\n  what went wrong\n" in failed.stdout


def test_a_long_job_has_a_line_of_its_own(capsys, monkeypatch) -> None:
    monkeypatch.syspath_prepend(PLUGINS)
    from logging import makeLogRecord
    from types import SimpleNamespace

    import snakemake_logger_plugin_lines as lines

    clock = iter([0.0, 1.0, 7.5])
    monkeypatch.setattr(lines, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    handler = lines.LogHandler(SimpleNamespace(), None)
    handler.emit(makeLogRecord({"event": lines.LogEvent.RUN_INFO, "stats": {"total": 3}}))
    handler.emit(
        makeLogRecord({"event": lines.LogEvent.JOB_INFO, "jobid": 4, "rule_msg": "Training", "rule_name": "t"})
    )
    handler.emit(makeLogRecord({"event": lines.LogEvent.JOB_FINISHED, "job_id": 4}))
    assert capsys.readouterr().out.splitlines()[-1] == "   1/3     6.5 s  Training"
