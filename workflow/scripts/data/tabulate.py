"""Receipts of pulled files -> one table."""

from pathlib import Path

import pyarrow as pa

from ucl.files import read_json, write_table
from ucl.logs import start_log
from ucl.media import tables

start_log(snakemake)
paths = [Path(read_json(receipt)["path"]) for receipt in snakemake.input.receipts]
table = snakemake.wildcards.table
if table == "classes":
    rows = tables.read_ontology(paths[0])
elif table == "labels":
    rows = tables.read_labels(paths[0])
elif table == "clips":
    rows = tables.read_segments(paths[0], "eval", known=set(tables.read_ontology(paths[1])["id"].to_pylist()))
else:
    rows = pa.concat_tables([tables.read_captions(path, path.stem) for path in paths])
write_table(rows, snakemake.output[0])
