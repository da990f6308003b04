"""Manifest and classes -> the embeddings of one modality by one model, and what could not be read."""

import shutil

from ucl.files import read_table, write_parquet
from ucl.media.embed import embed
from ucl.media.encoders import load_encoders
from ucl.media.manifest import bank_texts, manifest_items
from ucl.media.store import write_store
from ucl.runtime import start

device = start(snakemake)
modality, params = snakemake.wildcards.modality, snakemake.params
manifest = read_table(snakemake.input.manifest)
if modality == "text":
    items = bank_texts(manifest, read_table(snakemake.input.classes) if snakemake.input.classes else None)
else:
    items = manifest_items(manifest, modality)
if params.model["library"] == "precomputed":
    items = {name: name for name in items}
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
