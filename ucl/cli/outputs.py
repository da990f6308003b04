"""What the command writes: whole or not at all, and never more than the machine can hold."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from safetensors.numpy import save_file

from ucl.core.reliability import warn_if_thin
from ucl.core.result import BridgeResult
from ucl.errors import InputError

__all__ = ["check_grid", "check_suffix", "telling", "write"]

PAIR_BYTES = 40  # of memory per pair of a query and a candidate at the peak of `ucl score`: three grids and their sums
Grids = Mapping[str, np.ndarray]
Ids = tuple[pa.Array | None, pa.Array | None]
SIDES = ("query", "candidate")


def check_suffix(out: Path) -> None:
    """Raise unless the name says how to write."""
    if out.suffix not in WRITERS:
        raise InputError(f"--out must end in {', '.join(WRITERS)}: got {out}")


def check_grid(n: int, k: int) -> None:
    """Raise where a grid of `n` queries and `k` candidates cannot be held by this machine."""
    needed, memory = n * k * PAIR_BYTES, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > memory:
        raise InputError(
            f"a grid of {n} x {k} scores takes {needed:,} bytes, more than this machine's {memory:,}: "
            "score fewer rows at a time, or use `ucl retrieve`, which never holds the grid"
        )


def write(result: BridgeResult, temporary: Path, out: Path, ids: Ids = (None, None), reliable: bool = False) -> None:
    """Write a result under a temporary name, in the format that the name says; `ids` are those of both sides."""
    grids = {"scores": result.scores}
    if out.suffix != ".npy":
        effective = result.effective_sample_size
        grids |= {"standard_error": result.standard_error, "effective_sample_size": effective}
        grids |= {"reliable": result.reliable} if reliable else {}
        if not reliable:
            warn_if_thin(effective)
    with telling(out):
        WRITERS[out.suffix]({name: grid.cpu().numpy() for name, grid in grids.items()}, temporary, ids)


@contextmanager
def telling(out: Path) -> Iterator[None]:
    """What keeps `out` from being written is one line."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise _refused(out, error) from None


def _refused(out: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
    return InputError(f"cannot write {out}: {reason}; nothing was changed")


def _plain(name: Any) -> Any:
    """An id as NumPy can hold it without pickle."""
    return name if isinstance(name, int | str) else str(name)


def _write_npz(grids: Grids, path: Path, ids: Ids) -> None:
    """What `numpy.savez` writes; that leaves its archive open where the disk is full, and fails once more at exit."""
    named = {
        f"{side}_id": np.array(list(map(_plain, known.to_pylist())))
        for side, known in zip(SIDES, ids, strict=True)
        if known is not None
    }
    with ZipFile(path, "w") as archive:
        for name, grid in (*grids.items(), *named.items()):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, grid, allow_pickle=False)


def _write_npy(grids: Grids, path: Path, ids: Ids) -> None:
    np.save(path, grids["scores"], allow_pickle=False)


def _write_tensors(grids: Grids, path: Path, ids: Ids) -> None:
    save_file({name: np.ascontiguousarray(grid) for name, grid in grids.items()}, path)


def _write_table(grids: Grids, path: Path, ids: Ids) -> None:
    n, k = grids["scores"].shape
    rows = np.repeat(np.arange(n), k), np.tile(np.arange(k), n)
    pairs = {
        side: r if known is None else known.take(pa.array(r)) for side, r, known in zip(SIDES, rows, ids, strict=True)
    }
    pq.write_table(pa.table(pairs | {name: grid.ravel() for name, grid in grids.items()}), path)


WRITERS: dict[str, Callable[[Grids, Path, Ids], None]] = {
    ".npz": _write_npz,
    ".npy": _write_npy,
    ".safetensors": _write_tensors,
    ".parquet": _write_table,
}
