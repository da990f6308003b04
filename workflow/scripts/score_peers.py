"""Embeddings -> Recall@1 and seconds of every way to bridge."""

import job

from ucl.config import Contest
from ucl.files import write_parquet
from ucl.peers.contest import play
from ucl.tensors import read_tensors

job.start(snakemake)
tensors = read_tensors(snakemake.input[-1])
params = Contest(**snakemake.params.section, scenes=[snakemake.wildcards.scene])
write_parquet(play(params, snakemake.wildcards.scene, tensors), snakemake.output[0])
