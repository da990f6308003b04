"""Parameters -> Recall@1 of the references of a world."""

import job

from ucl.config import Contest
from ucl.files import write_parquet
from ucl.peers.contest import refer

job.start(snakemake)
write_parquet(refer(Contest.model_validate(snakemake.params.section), snakemake.wildcards.world), snakemake.output[0])
