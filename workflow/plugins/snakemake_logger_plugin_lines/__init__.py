"""What `make demo` shows of a run: a line per job that took a while, on standard output, where nothing else goes.

Standard error, with the progress of every job, is sent to a file by the Makefile. On a terminal a last line says which
job is running. Found by Snakemake through its name, where `PYTHONPATH` names this folder: `snakemake --logger lines`.
"""

import sys
import time
from datetime import timedelta
from logging import WARNING, LogRecord
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

__all__ = ["LogHandler"]

SHOWN = 5.0  # seconds from which on a job gets a line of its own
TAIL = 15  # lines of the log of a job that failed
WIDTH = 100


class LogHandler(LogHandlerBase):
    """One line per job: how many of how many are done, how long it took, and what it was."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        self.begun = time.monotonic()
        self.jobs: dict[int, tuple[str, float]] = {}
        self.done, self.total, self.short = 0, 0, 0

    def emit(self, record: LogRecord) -> None:
        """Take what Snakemake tells and say what a person wants to know."""
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self.total = record.stats.get("total", 0)  # type: ignore[attr-defined]
            self._say(f"{self.total} jobs to do; those under {SHOWN:.0f} s are counted, not listed")
        elif event == LogEvent.JOB_INFO:
            self._start(record)
        elif event == LogEvent.JOB_FINISHED:
            self._finish(record.job_id)  # type: ignore[attr-defined]
        elif event == LogEvent.PROGRESS and record.done == record.total:  # type: ignore[attr-defined]
            spent = timedelta(seconds=round(time.monotonic() - self.begun))
            self._say(f"all {record.total} jobs done in {spent}, {self.short} of them short ones")  # type: ignore[attr-defined]
        elif event in (LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR):
            self._fail(record)
        elif record.levelno >= WARNING:
            self._say(record.getMessage())

    def _start(self, job: Any) -> None:
        self.jobs[job.jobid] = (job.rule_msg or job.rule_name, time.monotonic())
        self._status(self.jobs[job.jobid][0])

    def _finish(self, number: int) -> None:
        if number not in self.jobs:
            return
        said, begun = self.jobs.pop(number)
        spent = time.monotonic() - begun
        self.done += 1
        if spent >= SHOWN:
            self._say(f"{self.done:4d}/{self.total}  {spent:6.1f} s  {said}")
        else:
            self.short += 1
        if self.jobs:
            self._status(next(iter(self.jobs.values()))[0])

    def _fail(self, job: Any) -> None:
        said = self.jobs.pop(getattr(job, "jobid", -1), (getattr(job, "rule_name", "a job"), 0.0))[0]
        self._say(f"FAILED  {said}")
        for log in filter(Path.is_file, map(Path, getattr(job, "log", None) or [])):
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            self._say("\n".join([f"the end of {log}:", *(f"  {line}" for line in lines[-TAIL:])]))

    def _say(self, text: str) -> None:
        clear = "\r\033[K" if sys.stdout.isatty() else ""
        print(f"{clear}{text}", flush=True)

    def _status(self, said: str) -> None:
        if sys.stdout.isatty():
            print(f"\r\033[K{self.done:4d}/{self.total}  {said}"[: WIDTH + 4], end="", flush=True)
