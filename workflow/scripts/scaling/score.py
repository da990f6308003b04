"""An embedding file -> Recall@1 of all trials over banks of growing size."""

from ucl.experiments.scaling.config import ScalingRun
from ucl.experiments.scaling.scoring import score_model
from ucl.files import write_parquet
from ucl.runtime import start
from ucl.tensors import read_tensors

device = start(snakemake)
params = ScalingRun.model_validate(snakemake.params.section)
table = score_model(params, read_tensors(snakemake.input.embeddings, device), shards=snakemake.input.shards)
write_parquet(table, snakemake.output[0])
