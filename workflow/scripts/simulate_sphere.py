"""Settings -> rejections of the tests of uniformity in one dimension."""

import job

from ucl.files import write_parquet
from ucl.power import sphere_rejections

job.start(snakemake)
write_parquet(sphere_rejections(int(snakemake.wildcards.d), **snakemake.params.settings), snakemake.output[0])
