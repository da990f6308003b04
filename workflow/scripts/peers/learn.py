"""Parameters -> embeddings of queries, bank and memories."""

from ucl.experiments.peers.config import Models
from ucl.experiments.peers.training import learn
from ucl.runtime import start
from ucl.tensors import write_tensors

start(snakemake)
write_tensors(learn(Models(**snakemake.params.section), snakemake.wildcards.scene), snakemake.output[0])
