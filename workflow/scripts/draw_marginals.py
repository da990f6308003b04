"""Rejections and representations of dimension 2 -> figures."""

from pathlib import Path

import job
import pandas as pd

from ucl.experiments.marginals.figures import draw_power, draw_scatter
from ucl.tensors import read_tensors

job.start(snakemake)
section, folder = snakemake.params.section, Path(snakemake.output[0]).parent
files = zip(section["critics"], snakemake.input.representations, strict=True)
representations = {critic: read_tensors(file) for critic, file in files}
draw_scatter(representations, folder / "marginals_scatter", section["tested"])
draw_power(pd.read_parquet(snakemake.input.rejections), folder / "marginals_power")
