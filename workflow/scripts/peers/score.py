"""Embeddings -> Recall@1 and seconds of every way to bridge."""

from ucl.experiments.peers.config import Peers
from ucl.experiments.peers.scoring import play
from ucl.files import write_parquet
from ucl.runtime import start
from ucl.tensors import read_tensors

start(snakemake)
tensors = read_tensors(snakemake.input[-1])
params = Peers(**snakemake.params.section, scenes=[snakemake.wildcards.scene])
write_parquet(play(params, snakemake.wildcards.scene, tensors), snakemake.output[0])
