"""Parameters -> every method's recall under one level of shared noise."""

from ucl.experiments.independence.config import Independence
from ucl.experiments.independence.training import run
from ucl.files import write_parquet
from ucl.runtime import start

start(snakemake)
noise = float(snakemake.wildcards.noise)
write_parquet(run(Independence(**snakemake.params.section, shared_noise=[noise]), noise), snakemake.output[0])
