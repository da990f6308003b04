"""Checks -> figure."""

from pathlib import Path

import job
import pandas as pd

from ucl.experiments.lemmas.figures import draw

job.log(snakemake)
draw(pd.read_parquet(snakemake.input.checks), Path(snakemake.output[0]).parent)
