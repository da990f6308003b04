"""Settings -> rejections of the tests of uniformity in one dimension."""

from ucl.experiments.marginals.simulation import sphere_rejections
from ucl.files import write_parquet
from ucl.runtime import start

start(snakemake)
write_parquet(sphere_rejections(int(snakemake.wildcards.d), **snakemake.params.settings), snakemake.output[0])
