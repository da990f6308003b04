"""How every job of the workflow begins: messages go to the console and to the job's log."""

import sys
from pathlib import Path
from typing import Any, TextIO

__all__ = ["start_log"]


def start_log(job: Any) -> None:
    """Send standard error to the job's log as well: all that a job without computing needs (else `runtime.start`)."""
    path = Path(job.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr = _Tee(sys.stderr, path.open("w", encoding="utf-8"))  # type: ignore[assignment]


class _Tee:
    """A stream that writes to the console and to the log."""

    def __init__(self, console: TextIO, log: TextIO) -> None:
        self.console, self.log = console, log

    def write(self, text: str) -> int:
        self.log.write(text.replace("\r", "\n"))
        return self.console.write(text)

    def flush(self) -> None:
        self.console.flush()
        self.log.flush()

    def isatty(self) -> bool:
        return self.console.isatty()
