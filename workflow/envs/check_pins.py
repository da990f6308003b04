"""Is what is installed what `constraints.txt` pins? Prints what differs, a line each; exit code 1 if anything does."""

import re
import sys
from importlib.metadata import distributions
from pathlib import Path

OWN = {"ucl", "setuptools", "wheel"}  # the package itself, and what comes with an environment


def plain(name: str) -> str:
    """A distribution's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def differences(pins: str, installed: dict[str, str]) -> list[str]:
    """What is installed at another version, or without a pin; pins without an installation do no harm."""
    lines = (line.partition("#")[0].partition(";")[0].strip() for line in pins.splitlines())
    pinned = {plain(name): version for name, _, version in (line.partition("==") for line in lines if line)}
    return [
        f"{name} {version}: expected {pinned.get(name, 'no such package')}"
        for name, version in sorted(installed.items())
        if name not in OWN and pinned.get(name) != version
    ]


if __name__ == "__main__":
    found = {plain(one.metadata["Name"]): one.version for one in distributions()}
    told = differences(Path(sys.argv[1]).read_text(), found)
    print("\n".join(told) or f"{len(found)} packages, all as pinned")
    sys.exit(bool(told))
