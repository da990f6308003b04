"""Manifest, classes and embeddings -> the suite's items."""

from pathlib import Path

import pandas as pd

from ucl.files import read_table, write_parquet
from ucl.logs import start_log
from ucl.media.manifest import bank_texts, suite_items
from ucl.media.store import read_store

start_log(snakemake)
manifest = read_table(snakemake.input.manifest)
texts = bank_texts(manifest, read_table(snakemake.input.classes) if snakemake.input.classes else None)
embedded = {}
for file in map(Path, snakemake.input.stores):
    embedded.setdefault(file.stem.split(".")[1], []).append(read_store(file).ids)
items: pd.DataFrame = suite_items(texts, embedded)
write_parquet(items, snakemake.output[0])
