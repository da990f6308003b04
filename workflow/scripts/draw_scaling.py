"""The table -> figures."""

from pathlib import Path

import job
import pandas as pd

from ucl.experiments.scaling.figures import draw

job.log(snakemake)
section = snakemake.params.section
table = pd.read_csv(snakemake.input.table)
draw(table, Path(snakemake.output[0]).parent, section["candidates"], section["trials"])
