"""Tables -> figures."""

from pathlib import Path

import job
import pandas as pd

from ucl.experiments.bridging.figures import draw

job.log(snakemake)
recall, banks = pd.read_parquet(snakemake.input.recall), pd.read_parquet(snakemake.input.banks)
draw(recall, banks, Path(snakemake.output[0]).parent)
