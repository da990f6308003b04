"""A student's vectors as Parquet, ready for any vector database."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from ucl.core.matrices import ID
from ucl.core.readers import Rows
from ucl.distilled.student import Student
from ucl.errors import InputError
from ucl.files import write_table

__all__ = ["write_vectors"]


def write_vectors(student: Student, side: str, rows: Rows, path: str | Path) -> None:
    """Unit vectors of one side's embeddings: columns `id` (the file's, or row numbers) and `vector`.

    `vector` is a fixed-size list of float32. The metadata hold `ucl.scale`: the log ratio of A and C is that times the
    inner product of their vectors, up to a constant.
    """
    embed = student.embed_a if side == "a" else student.embed_c
    vectors = np.ascontiguousarray(np.asarray(embed(rows)), dtype=np.float32)
    named = rows.ids()
    if named is not None and named.null_count:
        raise InputError(f"{rows.name} must have an id in every row of {rows.path}: got {named.null_count} without one")
    ids = pa.array(np.arange(len(rows))) if named is None else named
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), student.width)
    table = pa.table({ID: ids, "vector": column})
    write_table(table.replace_schema_metadata({"ucl.scale": repr(student.scale), "ucl.side": side}), path)
