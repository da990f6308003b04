"""What the command writes: whole or not at all, and never more than the machine can hold."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError

from ucl.core.reliability import warn_if_many
from ucl.core.result import BridgeResult
from ucl.core.tiles import TileWriter
from ucl.errors import InputError

__all__ = ["SIDES", "check_grid", "check_suffix", "packed", "telling", "unpacked", "write"]

PAIR_BYTES = 40  # of memory per pair of a query and a candidate at the peak of `ucl score`: three grids and their sums
Grids = Mapping[str, np.ndarray]
Tiles = Iterator[Grids]  # some rows of all grids after the other
Ids = tuple[pa.Array | None, pa.Array | None]
SIDES = ("query", "candidate")


def check_suffix(out: Path, *suffixes: str) -> None:
    """Raise unless the name says how to write."""
    suffixes = suffixes or tuple(WRITERS)
    if out.suffix not in suffixes:
        raise InputError(f"--out must end in {', '.join(suffixes)}: got {out}")


def check_grid(n: int, k: int, remedy: str) -> None:
    """Raise where a grid of `n` queries and `k` candidates cannot be held by this machine."""
    needed, memory = n * k * PAIR_BYTES, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > memory:
        raise InputError(
            f"a grid of {n} x {k} scores takes {needed:,} bytes, more than this machine's {memory:,}: {remedy}"
        )


def write(
    results: Iterable[BridgeResult],
    rows: int,
    temporary: Path,
    out: Path,
    ids: Ids = (None, None),
    *,
    errors: bool = True,
    reliable: bool = False,
) -> None:
    """Write results, which are tiles of `rows` rows in all, under a temporary name, in the format that the name says.

    `ids` are those of both sides.
    """
    errors = errors and out.suffix != ".npy"
    thin, pairs, flat = 0, 0, False

    def tiles() -> Tiles:
        nonlocal thin, pairs, flat
        for result in results:
            grids = {"scores": result.scores}
            if errors:
                effective = torch.as_tensor(result.effective_sample_size)
                grids |= {"standard_error": result.standard_error, "effective_sample_size": effective}
                thin, pairs = thin + int((effective < 2).sum()), pairs + effective.numel()
                flat = flat or (not reliable and result.warn_if_flat())
            grids |= {"reliable": result.reliable} if reliable else {}
            yield {name: torch.as_tensor(grid).cpu().numpy() for name, grid in grids.items()}

    with telling(out):
        WRITERS[out.suffix](tiles(), rows, temporary, ids)
    if pairs and not reliable:
        warn_if_many(thin / pairs)


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
    """An id as NumPy can hold it without pickle; InputError for a row without one, which it cannot hold."""
    if name is None:
        raise InputError("a row without an id cannot be told in an .npz: give every row one, or write .parquet")
    return name if isinstance(name, int | str) else str(name)


def packed(ids: Ids) -> dict[str, np.ndarray]:
    """Ids as bytes that a part can carry: an Arrow stream for each side that has some."""
    found = {}
    for side, known in zip(SIDES, ids, strict=True):
        if known is not None:
            table, sink = pa.table({"id": known}), pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            found[f"{side}_id"] = np.frombuffer(sink.getvalue(), dtype=np.uint8)
    return found


def unpacked(packed: bytes | None) -> pa.Array | None:
    """The ids that `packed` made bytes of."""
    if packed is None:
        return None
    with pa.ipc.open_stream(packed) as reader:
        return reader.read_all().column("id").combine_chunks()


def _write_npz(tiles: Tiles, rows: int, path: Path, ids: Ids) -> None:
    """What `numpy.savez` writes; that leaves its archive open where the disk is full, and fails once more at exit."""
    parts = list(tiles)
    grids = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    named = {
        f"{side}_id": np.array(list(map(_plain, known.to_pylist())))
        for side, known in zip(SIDES, ids, strict=True)
        if known is not None
    }
    with ZipFile(path, "w") as archive:
        for name, grid in (*grids.items(), *named.items()):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, grid, allow_pickle=False)


def _write_npy(tiles: Tiles, rows: int, path: Path, ids: Ids) -> None:
    first = next(tiles)["scores"]
    about = {"descr": first.dtype.str, "fortran_order": False, "shape": (rows, first.shape[1])}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, about)
        for scores in itertools.chain([first], (grids["scores"] for grids in tiles)):
            file.write(np.ascontiguousarray(scores).data)


def _write_tensors(tiles: Tiles, rows: int, path: Path, ids: Ids) -> None:
    first, row = next(tiles), 0
    arrays = {name: (grid.dtype.name, (rows, grid.shape[1])) for name, grid in first.items()}
    with TileWriter(path, arrays) as file:
        for grids in itertools.chain([first], tiles):
            for name, grid in grids.items():
                file.put(name, row, grid)
            row += len(grids["scores"])


def _write_table(tiles: Tiles, rows: int, path: Path, ids: Ids) -> None:
    first, row = next(tiles), 0
    tables = pq.ParquetWriter(path, _table(first, 0, ids).schema)
    try:
        for grids in itertools.chain([first], tiles):
            tables.write_table(_table(grids, row, ids))
            row += len(grids["scores"])
    finally:
        tables.close()


def _table(grids: Grids, row: int, ids: Ids) -> pa.Table:
    """A row per pair; `row` is the number of the first query."""
    n, k = grids["scores"].shape
    numbers = np.repeat(np.arange(row, row + n), k), np.tile(np.arange(k), n)
    pairs = {
        side: number if known is None else known.take(pa.array(number))
        for side, number, known in zip(SIDES, numbers, ids, strict=True)
    }
    return pa.table(pairs | {name: grid.ravel() for name, grid in grids.items()})


WRITERS: dict[str, Callable[[Tiles, int, Path, Ids], None]] = {
    ".npz": _write_npz,
    ".npy": _write_npy,
    ".safetensors": _write_tensors,
    ".parquet": _write_table,
}
