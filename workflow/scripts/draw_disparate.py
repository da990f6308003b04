"""Learning curves -> figure."""

from pathlib import Path

import job
import pandas as pd

from ucl.experiments.disparate.config import Disparate
from ucl.experiments.disparate.figures import draw_disparate

job.log(snakemake)
params = Disparate.model_validate(snakemake.params.section)
keys = [params.boxes(width) for width in params.dimensions_bc]
curves = {key: pd.read_parquet(file) for key, file in zip(keys, snakemake.input.curves, strict=True)}
draw_disparate(curves, Path(snakemake.output[0]).with_suffix(""), params.candidates, params.seeds)
