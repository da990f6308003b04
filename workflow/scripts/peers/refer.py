"""Parameters -> Recall@1 of the references of a world."""

from ucl.experiments.peers.config import Models
from ucl.experiments.peers.training import refer
from ucl.files import write_parquet
from ucl.runtime import start

start(snakemake)
write_parquet(refer(Models(**snakemake.params.section), snakemake.wildcards.world), snakemake.output[0])
