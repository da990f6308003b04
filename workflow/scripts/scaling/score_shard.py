"""An embedding file -> scores of all trials over one shard of their banks."""

from pathlib import Path

from ucl.experiments.scaling.config import ScalingRun
from ucl.experiments.scaling.scoring import score_shard
from ucl.runtime import start
from ucl.tensors import read_tensors

start(snakemake)
number, count = map(int, snakemake.wildcards.scatteritem.split("-of-"))
params = ScalingRun.model_validate(snakemake.params.section)
score_shard(params, read_tensors(snakemake.input.embeddings), (number - 1, count), Path(snakemake.output[0]))
