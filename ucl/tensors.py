"""Files of named tensors: safetensors, whole or absent like all of `ucl.files`."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from ucl.files import replacing
from ucl.seals import KEY, UNSEALED, check_seal, damaged, seal

__all__ = ["read_about", "read_tensors", "write_tensors"]


def write_tensors(tensors: Mapping[str, Tensor], path: str | Path, about: Mapping[str, str] | None = None) -> None:
    """Write named tensors, and what the metadata say of them, as safetensors, sealed (`ucl.seals`)."""
    with replacing(path) as temporary:
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(contiguous, temporary, metadata={**(about or {}), KEY: UNSEALED})
        _order_metadata(temporary)
        seal(temporary)


def _order_metadata(path: Path) -> None:
    """safetensors writes metadata in an order that changes from call to call; here the same content is the same bytes.

    The header: eight bytes that say how long it is, JSON, and spaces up to that length.
    """
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        ordered = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size)
        assert len(ordered) == size
        file.seek(8)
        file.write(ordered)


def read_tensors(path: str | Path, device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """Read named tensors from a safetensors file; InputError where its seal does not hold."""
    try:
        with safe_open(path, framework="pt") as file:
            found = (file.metadata() or {}).get(KEY)
        check_seal(path, found)
        return load_file(path, device=str(device))
    except SafetensorError:
        raise damaged(path) from None


def read_about(path: str | Path) -> dict[str, str]:
    """What `write_tensors` was given to say of the tensors."""
    try:
        with safe_open(path, framework="pt") as file:
            return {key: value for key, value in (file.metadata() or {}).items() if key != KEY}
    except SafetensorError:
        raise damaged(path) from None
