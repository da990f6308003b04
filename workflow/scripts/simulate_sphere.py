"""Settings -> rejections of the tests of uniformity in one dimension."""

import job

from ucl.experiments.marginals.simulation import sphere_rejections
from ucl.files import write_parquet

job.start(snakemake)
write_parquet(sphere_rejections(int(snakemake.wildcards.d), **snakemake.params.settings), snakemake.output[0])
