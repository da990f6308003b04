"""Settings -> rejections of the tests of normality in one dimension, on at least 5/4 as many points."""

from ucl.experiments.marginals.simulation import gaussian_rejections
from ucl.files import write_parquet
from ucl.runtime import start

start(snakemake)
d, settings = int(snakemake.wildcards.d), snakemake.params.settings
settings = settings | {"points": max(settings["points"], 5 * d // 4)}
write_parquet(gaussian_rejections(d, **settings), snakemake.output[0])
