"""Recalls -> figure."""

from pathlib import Path

import job
import pandas as pd

from ucl.experiments.independence.figures import draw_independence

job.log(snakemake)
recalls = pd.concat([pd.read_parquet(file) for file in snakemake.input.recalls], ignore_index=True)
section = snakemake.params.section
draw_independence(recalls, Path(snakemake.output[0]).with_suffix(""), section["candidates"], section["seeds"])
