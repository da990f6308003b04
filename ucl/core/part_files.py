"""The file of an answer over a part of a bank: its sums as safetensors, sealed, written and read by tiles of rows."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from ucl.core.log_sum_exp import LogSums
from ucl.core.moments import NAMES, Form
from ucl.core.origin import Origin
from ucl.core.prepared import opened
from ucl.core.tiles import TileWriter
from ucl.seals import KEY, UNSEALED, damaged

__all__ = ["PartAbout", "open_part", "put_tile", "read_about", "read_bytes", "read_sums"]

KIND = "ucl-result-3"  # in the metadata of its files
Kept = Mapping[str, LogSums]  # by name: `first`, and second moments of powers p and q as `second_pq`


@dataclass(frozen=True)
class PartAbout:
    """What the file of an answer says beside its sums."""

    bank_size: int
    weight: float
    squared_weight: float | None  # None: the file holds scores alone
    normalize: bool
    dtype: str
    torch_in: bool
    origin: Origin

    @property
    def form(self) -> Form:
        """The form of its answers."""
        return Form(self.torch_in, getattr(torch, self.dtype), torch.device("cpu"))


def open_part(
    path: Path, about: PartAbout, kept: Kept, rows: int, extra: Mapping[str, np.ndarray] | None = None
) -> TileWriter:
    """A new file for an answer of `rows` rows, of which `kept` is a tile; `extra` are arrays of bytes."""
    arrays: dict[str, tuple[str, tuple[int, ...]]] = {}
    for which, sums in kept.items():
        columns = len(sums.columns)
        arrays |= {f"{which}_pairs": ("float64", (rows, columns)), f"{which}_rows": ("float64", (rows,))}
        arrays |= {f"{which}_columns": ("float64", (columns,))}
    extra = extra or {}
    arrays |= {"recomputed": ("int64", (1,))} | {name: ("uint8", values.shape) for name, values in extra.items()}
    file = TileWriter(path, arrays, {KIND: json.dumps(asdict(about)), KEY: UNSEALED})
    for name, values in extra.items():
        file.put(name, 0, values)
    return file


def put_tile(file: TileWriter, kept: Kept, row: int = 0, recomputed: int = 0) -> int:
    """Write the rows from `row` on; `recomputed` entries were before it, and the result is how many there are now."""
    for which, sums in kept.items():
        for name in NAMES:
            file.put(f"{which}_{name}", 0 if name == "columns" else row, getattr(sums, name).detach().cpu().numpy())
    recomputed += kept["first"].recomputed
    file.put("recomputed", 0, np.array([recomputed]))
    return recomputed


def read_about(path: str | Path) -> tuple[PartAbout, dict[str, tuple[int, int]]]:
    """What the file of an answer says, checked by its seal, and the shapes of the sums it holds."""
    with opened(path, KIND, "bridge result", "BridgeResult.save or `ucl score --shard`") as (file, metadata):
        about = json.loads(metadata[KIND])
        pairs = [name for name in file.keys() if name.endswith("_pairs")]  # noqa: SIM118
        shapes = {name.removesuffix("_pairs"): tuple(file.get_slice(name).get_shape()) for name in pairs}
        return PartAbout(**{**about, "origin": Origin.from_json(about["origin"])}), {"first": shapes["first"], **shapes}


def read_sums(path: str | Path, which: str, rows: slice = slice(None)) -> LogSums:
    """Some rows of sums that a file holds; it is opened anew, so that what was read before is not kept mapped."""
    try:
        with safe_open(path, framework="pt") as file:
            pairs, own = (file.get_slice(f"{which}_{name}")[rows].clone() for name in ("pairs", "rows"))
            columns, recomputed = file.get_tensor(f"{which}_columns").clone(), int(file.get_tensor("recomputed"))
            return LogSums(pairs, own, columns, recomputed)
    except Exception:  # gone, or changed, since its seal was checked
        raise damaged(path) from None


def read_bytes(path: str | Path, name: str) -> bytes | None:
    """The array of bytes of this name; None where there is none."""
    with safe_open(path, framework="np") as file:
        return file.get_tensor(name).tobytes() if name in file.keys() else None  # noqa: SIM118
