"""The command, run in this process."""

import pytest

from ucl.cli.app import main

__all__ = ["run"]


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """The exit status of `ucl words...`."""
    monkeypatch.setattr("sys.argv", ["ucl", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)
