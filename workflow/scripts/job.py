"""How every script of the workflow begins: messages to the console and to the rule's log, and the job's device."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import torch


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


def log(snakemake: Any) -> None:
    """Send standard error to the rule's log as well. All that a job needs that does not compute."""
    path = Path(snakemake.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr = _Tee(sys.stderr, path.open("w", encoding="utf-8"))  # type: ignore[assignment]


def start(snakemake: Any) -> "torch.device":
    """`log`, set up threads, and return the device to work on."""
    from ucl.runtime import prepare

    log(snakemake)
    return prepare(snakemake.threads, int(snakemake.resources.get("gpu", 0)))
