"""Embeddings and scores of a large bank -> how often standard errors cover them."""

from ucl.experiments.diagnosis.reliability import cover
from ucl.files import write_parquet
from ucl.runtime import start
from ucl.tensors import read_tensors

start(snakemake)
write_parquet(cover(snakemake.wildcards.scene, read_tensors(snakemake.input[0])), snakemake.output[0])
