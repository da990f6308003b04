"""What `params.yaml` may say: one section per experiment, checked before any job starts."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ucl.errors import InputError
from ucl.experiments.bridging.config import Bridging, Media
from ucl.experiments.disparate.config import Disparate
from ucl.experiments.independence.config import Independence
from ucl.experiments.lemmas.config import Lemmas
from ucl.experiments.marginals.config import Marginals
from ucl.experiments.maze.config import Maze
from ucl.experiments.peers.config import Peers
from ucl.experiments.scaling.config import Scaling
from ucl.experiments.settings import Section
from ucl.experiments.synthetic.config import Synthetic, SyntheticGrid

__all__ = ["Params", "describe", "load_params", "validate"]


class Params(Section):
    """All of `params.yaml`."""

    synthetic: Synthetic
    synthetic_grid: SyntheticGrid
    disparate: Disparate
    independence: Independence
    marginals: Marginals
    peers: Peers
    bridging: Bridging
    media: Media
    lemmas: Lemmas
    scaling: Scaling
    maze: Maze


def validate(config: Mapping[str, Any]) -> Params:
    """Check a configuration; the error is one line with the key, the value and what is allowed."""
    try:
        return Params.model_validate(config)
    except ValidationError as error:
        lines = [_explain(detail, Params) for detail in error.errors()]
        raise InputError("; ".join(f"params.yaml: {line}" for line in lines)) from None


def load_params(path: str | Path) -> Params:
    """Read and check a parameter file."""
    return validate(yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {})


def describe(model: type[BaseModel], values: BaseModel, prefix: str = "") -> list[tuple[str, Any, str]]:
    """Every key with its value and its meaning, in the order of the file."""
    rows: list[tuple[str, Any, str]] = []
    for name, field in model.model_fields.items():
        key, value = f"{prefix}{name}", getattr(values, name)
        if isinstance(value, BaseModel):
            rows += describe(type(value), value, f"{key}.")
        else:
            rows.append((key, value, field.description or ""))
    return rows


def _explain(detail: ErrorDetails, model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        allowed = _keys(model, detail["loc"][:-1])
        close = difflib.get_close_matches(str(detail["loc"][-1]), allowed, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        return f"{key} = {detail['input']!r}: unknown key; {hint}allowed: {', '.join(allowed)}"
    if detail["type"] == "missing":
        return f"{key}: missing; add it (see `ucl params` for what it means)"
    message = detail["msg"].removeprefix("Value error, ")
    value = "" if isinstance(detail["input"], Mapping) else f" = {detail['input']!r}"
    return f"{key}{value}: {message[0].lower()}{message[1:]}"


def _keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        annotation = model.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
