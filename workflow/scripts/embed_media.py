"""Manifest (and classes) -> the embeddings of one modality by one model, and what could not be read."""

import shutil

import job
import pyarrow.parquet as pq

from ucl.files import write_parquet
from ucl.media.embed import embed
from ucl.media.encoders import load_encoders
from ucl.media.manifest import manifest_items
from ucl.media.store import write_store

device = job.start(snakemake)
modality, params = snakemake.wildcards.modality, snakemake.params
if modality == "text" and snakemake.input.classes:
    classes = pq.read_table(snakemake.input.classes)
    items = dict(zip(classes["id"].to_pylist(), classes["description"].to_pylist(), strict=True))
else:
    items = manifest_items(pq.read_table(snakemake.input.manifest), modality)
encoder = load_encoders(**params.model, device=device)[modality]
store, failures = embed(
    encoder,
    items,
    shards=params.shards,
    batch=params.batch,
    workers=snakemake.threads,
    max_failed=params.max_failed,
)
write_parquet(failures, snakemake.output.failures)
write_store(store, snakemake.output.store)
shutil.rmtree(params.shards)
