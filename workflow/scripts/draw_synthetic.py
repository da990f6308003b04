"""Tables -> figures."""

from pathlib import Path

import job
import pandas as pd

from ucl.experiments.synthetic.figures import draw

job.log(snakemake)
epochs, candidates = pd.read_parquet(snakemake.input.epochs), pd.read_parquet(snakemake.input.candidates)
section = snakemake.params.section
folder = Path(snakemake.output[0]).parent
draw(epochs, candidates, folder, section["candidates"], section["seeds"], section["dimension"])
