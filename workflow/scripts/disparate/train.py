"""Parameters -> learning curves of two black boxes, and how far the black-box path strays from the embedding path."""

from ucl.experiments.disparate.config import Disparate
from ucl.experiments.disparate.training import run
from ucl.files import write_parquet
from ucl.runtime import start

start(snakemake)
width = int(snakemake.wildcards.width)
curves, differences = run(Disparate(**snakemake.params.section, dimensions_bc=[width]), width)
write_parquet(differences, snakemake.output.differences)
write_parquet(curves, snakemake.output.curves)
