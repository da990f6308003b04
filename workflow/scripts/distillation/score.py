"""Embeddings -> Recall@1 against the size of the bank, the number of samples, and the steps."""

from ucl.experiments.distillation.config import Playing
from ucl.experiments.distillation.scoring import play
from ucl.files import write_parquet
from ucl.runtime import start
from ucl.tensors import read_tensors

start(snakemake)
scene, tensors = snakemake.wildcards.scene, read_tensors(snakemake.input[-1])
write_parquet(play(Playing(**snakemake.params.section), scene, tensors), snakemake.output[0])
