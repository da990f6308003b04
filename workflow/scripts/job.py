"""How every script of the workflow begins: messages to the console and to the rule's log, and the job's device."""

import sys
from pathlib import Path
from typing import Any, TextIO

import torch

from ucl.runtime import prepare


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


def start(snakemake: Any) -> torch.device:
    """Send standard error to the rule's log as well, set up threads, and return the device to work on."""
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr = _Tee(sys.stderr, log.open("w", encoding="utf-8"))  # type: ignore[assignment]
    return prepare(snakemake.threads, int(snakemake.resources.get("gpu", 0)))
