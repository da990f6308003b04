"""Parameters -> what an index finds of the exact bridge's ten best, and how long a query takes."""

from ucl.experiments.distillation.config import Finding
from ucl.experiments.distillation.finding import find
from ucl.files import write_parquet
from ucl.runtime import start

start(snakemake)
write_parquet(find(Finding(**snakemake.params.section), snakemake.params.steps), snakemake.output[0])
