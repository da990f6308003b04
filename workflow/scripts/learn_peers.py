"""Parameters -> embeddings of queries, bank and memories."""

import job

from ucl.experiments.peers.config import Contest
from ucl.experiments.peers.training import learn
from ucl.tensors import write_tensors

job.start(snakemake)
write_tensors(
    learn(Contest(**snakemake.params.section, scenes=[snakemake.wildcards.scene]), snakemake.wildcards.scene),
    snakemake.output[0],
)
