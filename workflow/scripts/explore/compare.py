"""Nothing -> success, distances and broken triangles of all objectives with one critic."""

from ucl.experiments.explore.comparing import compare
from ucl.files import write_parquet
from ucl.runtime import start

start(snakemake)
write_parquet(
    compare(snakemake.params.section, snakemake.params.comparison, snakemake.wildcards.critic), snakemake.output[0]
)
