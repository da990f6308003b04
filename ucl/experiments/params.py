"""What `params.yaml` may say: one section per experiment, checked before any job starts."""

import difflib
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ucl.errors import InputError
from ucl.experiments.bridging.config import Bridging, Media
from ucl.experiments.diagnosis.config import Diagnosis
from ucl.experiments.disparate.config import Disparate
from ucl.experiments.distillation.config import Distillation
from ucl.experiments.explore.config import Explore
from ucl.experiments.independence.config import Independence
from ucl.experiments.lemmas.config import Lemmas
from ucl.experiments.marginals.config import Marginals
from ucl.experiments.maze.config import Maze
from ucl.experiments.peers.config import Peers
from ucl.experiments.scaling.config import Scaling
from ucl.experiments.settings import Section
from ucl.experiments.synthetic.config import Synthetic, SyntheticGrid

__all__ = ["Params", "describe", "load_params", "read_yaml", "validate"]

SHOWN = 20  # errors in a line


class Params(Section):
    """All of `params.yaml`."""

    synthetic: Synthetic
    synthetic_grid: SyntheticGrid
    disparate: Disparate
    independence: Independence
    marginals: Marginals
    peers: Peers
    diagnosis: Diagnosis
    distillation: Distillation
    bridging: Bridging
    media: Media
    lemmas: Lemmas
    scaling: Scaling
    maze: Maze
    explore: Explore


def validate(config: Mapping[str, Any], source: str | Path = "params.yaml") -> Params:
    """Check a configuration; the error is one line with the key, the value and what is allowed."""
    try:
        return Params.model_validate(config)
    except ValidationError as error:
        lines = [f"{source}: {_explain(detail, Params)}" for detail in error.errors()]
        more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        raise InputError("; ".join(lines[:SHOWN] + more)) from None


def load_params(path: str | Path) -> Params:
    """Read and check a parameter file."""
    return validate(read_yaml(path), path)


def read_yaml(path: str | Path) -> Mapping[str, Any]:
    """The sections of a parameter file; what is no plain YAML of this kind is told with its line."""
    try:
        config = yaml.load(Path(path).read_text(encoding="utf-8"), _PlainLoader) or {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise InputError(f"{path}: {where}{' '.join(str(error.problem).split())}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8: save the file as UTF-8") from None
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise InputError(f"{path}: nested too deeply: expected sections of keys and values") from None
    if not isinstance(config, Mapping):
        raise InputError(f"{path}: expected sections of keys and values, got a {type(config).__name__}")
    return config


class _PlainLoader(yaml.SafeLoader):
    """YAML that says everything once: no key twice, and no aliases, whose expansion may be larger than any memory."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not taken: write the value out", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.tag != "tag:yaml.org,2002:str":  # 1, yes, null, <<
                raise yaml.MarkedYAMLError(problem=f"key {key.value} is not a name", problem_mark=key.start_mark)
            if key.value in keys:
                problem = f"duplicate key {key.value!r}: give it once"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            keys.add(key.value)
        return super().construct_mapping(node, deep)


def describe(model: type[BaseModel], values: BaseModel, prefix: str = "") -> list[tuple[str, Any, str]]:
    """Every key with its value and its meaning, in the order of the file."""
    rows: list[tuple[str, Any, str]] = []
    for name, field in model.model_fields.items():
        key, value = f"{prefix}{name}", getattr(values, name)
        if isinstance(value, BaseModel):
            rows += describe(type(value), value, f"{key}.")
        elif isinstance(value, dict) and any(isinstance(part, BaseModel) for part in value.values()):
            for part, inner in value.items():
                rows += describe(type(inner), inner, f"{key}.{part}.")
        else:
            rows.append((key, value, field.description or ""))
    return rows


def _explain(detail: ErrorDetails, model: type[BaseModel]) -> str:
    key = ".".join(str(part) if str(part).isprintable() else repr(part) for part in detail["loc"])
    given = textwrap.shorten(repr(detail["input"]), 100, placeholder=" ...")
    if detail["type"] == "extra_forbidden":
        allowed = _keys(model, detail["loc"][:-1])
        close = difflib.get_close_matches(str(detail["loc"][-1]), allowed, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        return f"{key} = {given}: unknown key; {hint}allowed: {', '.join(allowed)}"
    if detail["type"] == "missing":
        return f"{key}: missing; add it (see `ucl params` for what it means)"
    message = detail["msg"].removeprefix("Value error, ")
    value = "" if isinstance(detail["input"], Mapping) else f" = {given}"
    return f"{key}{value}: {message[0].lower()}{message[1:]}"


def _keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys allowed at a place; a part of it names a field of a section or an entry of a table of sections."""
    annotation: Any = model
    for part in location:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = annotation.model_fields[str(part)].annotation
            if type(None) not in get_args(annotation):
                continue
        annotation = next((i for i in get_args(annotation) if isinstance(i, type) and issubclass(i, BaseModel)), None)
    return list(annotation.model_fields) if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []
