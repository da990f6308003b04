"""An embedding file -> scores of all trials over one shard of their banks."""

from pathlib import Path

from ucl.experiments.scaling.config import ScalingRun
from ucl.experiments.scaling.scoring import score_shard
from ucl.runtime import start
from ucl.tensors import read_tensors

device = start(snakemake)
number, count = map(int, snakemake.wildcards.scatteritem.split("-of-"))
params = ScalingRun.model_validate(snakemake.params.section)
embeddings = read_tensors(snakemake.input.embeddings, device)
score_shard(params, embeddings, (number - 1, count), Path(snakemake.output[0]))
