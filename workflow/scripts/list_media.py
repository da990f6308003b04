"""Manifest, classes and embeddings -> the suite's items."""

from pathlib import Path

import job
import pandas as pd
import pyarrow.parquet as pq

from ucl.files import write_parquet
from ucl.media.manifest import bank_texts, suite_items
from ucl.media.store import read_store

job.log(snakemake)
manifest = pq.read_table(snakemake.input.manifest)
texts = bank_texts(manifest, pq.read_table(snakemake.input.classes) if snakemake.input.classes else None)
embedded = {}
for file in map(Path, snakemake.input.stores):
    embedded.setdefault(file.stem.split(".")[1], []).append(read_store(file).ids)
items: pd.DataFrame = suite_items(texts, embedded)
write_parquet(items, snakemake.output[0])
