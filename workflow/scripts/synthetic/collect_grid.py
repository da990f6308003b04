"""Learning curves over the grid -> the best-of-grid table, as published."""

from pathlib import Path

import pandas as pd

from ucl.experiments.synthetic.summary import best_of_grid
from ucl.files import read_parquet
from ucl.reporting.tables import save_table
from ucl.runtime import start

start(snakemake)
tables = []
for file in map(Path, snakemake.input.epochs):
    setting, protocol = file.parts[-3:-1]
    names = {"setting": setting, "protocol": protocol, "critic": file.name.split(".")[0]}
    tables.append(read_parquet(file).assign(**names))
save_table(best_of_grid(pd.concat(tables, ignore_index=True)), Path(snakemake.output[0]).with_suffix(""))
