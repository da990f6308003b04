"""What a run made smaller than paper scale: no one should quote its numbers without being told."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["reductions"]


def reductions(params: Mapping[str, Any], full: Mapping[str, Any]) -> dict[str, list[str]]:
    """For each section that has numbers or lists smaller than at full scale, what they are: "seeds 3 of 20"."""
    found = {name: list(_smaller(params[name], section)) for name, section in full.items() if name in params}
    return {name: lines for name, lines in found.items() if lines}


def _smaller(value: Any, full: Any, name: str = "") -> Iterator[str]:
    if isinstance(full, Mapping) and isinstance(value, Mapping):
        for key in full:
            yield from _smaller(value.get(key), full[key], f"{name}.{key}".strip("."))
    elif isinstance(full, list) and isinstance(value, list):
        if len(value) < len(full):
            yield f"{name} {len(value)} of {len(full)}"
    elif isinstance(full, int | float) and isinstance(value, int | float) and value < full:
        yield f"{name} {value:,} of {full:,}"
