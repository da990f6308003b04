"""Tables -> figures and an animation."""

from pathlib import Path

import job
import pandas as pd

from ucl.experiments.maze import figures

job.start(snakemake)
tables = {Path(file).stem: pd.read_csv(file) for file in snakemake.input.tables if file.endswith(".csv")}
folder = Path(snakemake.output[0]).parent
paths, maps, placed = (pd.read_parquet(snakemake.input[name]) for name in ("paths", "maps", "placed"))
figures.draw(tables["maze"], tables["maze_ambiguity"], tables["maze_words"], tables["maze_banks"], folder)
figures.draw_showcase(paths, maps, placed, folder)
figures.animate_showcase(paths, snakemake.output.animation)
