"""Receipts of pulled files -> one table."""

from pathlib import Path

import job
import pyarrow as pa

from ucl.files import read_json
from ucl.media import tables

job.log(snakemake)
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
tables.write_table(rows, snakemake.output[0])
