"""Files of named tensors: safetensors, whole or absent like all of `ucl.files`."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ucl.files import replacing

__all__ = ["read_tensors", "write_tensors"]


def write_tensors(tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Write named tensors as safetensors."""
    with replacing(path) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary)


def read_tensors(path: str | Path, device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """Read named tensors from a safetensors file."""
    return load_file(path, device=str(device))
