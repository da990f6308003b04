"""Embeddings -> Recall@1 against the size of the bank, the number of samples, and the steps."""

from ucl.experiments.distillation.config import Condition, Playing
from ucl.experiments.distillation.scoring import play
from ucl.files import write_parquet
from ucl.runtime import start
from ucl.tensors import read_tensors

start(snakemake)
params, tensors = snakemake.params, read_tensors(snakemake.input[-1])
conditions = [Condition(*sizes) for sizes in params.conditions]
played = play(Playing(**params.section), snakemake.wildcards.scene, conditions, tensors)
write_parquet(played, snakemake.output[0])
