"""A number of samples -> how every test and the paper's reading judge a concentrated law in 512 dimensions."""

from ucl.experiments.marginals.simulation import published_example
from ucl.files import write_parquet
from ucl.runtime import start

start(snakemake)
write_parquet(published_example(snakemake.params.samples), snakemake.output[0])
