"""Parameters -> embeddings of queries, bank and memories."""

import job

from ucl.config import Contest
from ucl.peers.contest import learn
from ucl.tensors import write_tensors

job.start(snakemake)
write_tensors(
    learn(Contest(**snakemake.params.section, scenes=[snakemake.wildcards.scene]), snakemake.wildcards.scene),
    snakemake.output[0],
)
