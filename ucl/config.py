"""What `params.yaml` may say: one model per experiment, checked before any job starts."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from ucl.errors import InputError

__all__ = ["Params", "Section", "load_params", "validate"]

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
CriticName = Literal["cosine", "dot", "l2"]


class Section(BaseModel):
    """One section of `params.yaml`. No key has a default in code: the file says everything."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Params(Section):
    """All of `params.yaml`."""


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


def _explain(detail: ErrorDetails, model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        allowed = _keys(model, detail["loc"][:-1])
        close = difflib.get_close_matches(str(detail["loc"][-1]), allowed, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        return f"{key} = {detail['input']!r}: unknown key; {hint}allowed: {', '.join(allowed)}"
    if detail["type"] == "missing":
        return f"{key}: missing; add it (see `ucl params` for what it means)"
    message = detail["msg"]
    return f"{key} = {detail['input']!r}: {message[0].lower()}{message[1:]}"


def _keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        annotation = model.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
