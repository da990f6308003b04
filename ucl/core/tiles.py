"""A safetensors file that is written a tile at a time: its matrices may be larger than memory."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import numpy as np

__all__ = ["TileWriter"]

KINDS = {
    "float64": "F64",
    "int64": "I64",
    "float32": "F32",
    "uint8": "U8",
    "bool": "BOOL",
}  # NumPy's names and the format's


class TileWriter:
    """Writes named arrays of known types and shapes into `path`, some rows at a time and in any order.

    The format is eight bytes with the length of a JSON header, the header, and the arrays one after the other
    (safetensors' README); widest numbers must come first, so that all are aligned. Raises OSError as `open` does.
    """

    def __init__(
        self, path: Path, arrays: Mapping[str, tuple[str, tuple[int, ...]]], about: Mapping[str, str] | None = None
    ) -> None:
        self.arrays, self.places, end = arrays, {}, 0
        header: dict[str, object] = {"__metadata__": dict(about)} if about else {}
        for name, (kind, shape) in arrays.items():
            size = math.prod(shape) * np.dtype(kind).itemsize
            header[name] = {"dtype": KINDS[kind], "shape": list(shape), "data_offsets": [end, end + size]}
            self.places[name], end = end, end + size
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        self.start = 8 + len(text)
        self.file = path.open("wb")
        self.file.write(len(text).to_bytes(8, "little") + text)
        self.file.truncate(self.start + end)

    def put(self, name: str, row: int, values: np.ndarray) -> None:
        """Write the rows from `row` on of an array."""
        kind, shape = self.arrays[name]
        width = math.prod(shape[1:])
        assert values.size % width == 0
        assert row * width + values.size <= math.prod(shape)
        self.file.seek(self.start + self.places[name] + row * width * np.dtype(kind).itemsize)
        self.file.write(np.ascontiguousarray(values, dtype=kind).data)

    def __enter__(self) -> "TileWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.file.close()
