"""Parameters -> embeddings of queries, bank and memories."""

from ucl.experiments.peers.config import Peers
from ucl.experiments.peers.training import learn
from ucl.runtime import start
from ucl.tensors import write_tensors

start(snakemake)
write_tensors(
    learn(Peers(**snakemake.params.section, scenes=[snakemake.wildcards.scene]), snakemake.wildcards.scene),
    snakemake.output[0],
)
