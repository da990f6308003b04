"""Data sets of one maze -> weights of all seeds, learning curves."""

from pathlib import Path

from ucl.experiments.maze.scoring import read_data
from ucl.files import write_parquet
from ucl.maze.training import Recipe, train
from ucl.runtime import start
from ucl.tensors import write_tensors

device = start(snakemake)
futures, annotations, tokenizer = read_data(snakemake.wildcards.maze, Path(snakemake.input[0]).parents[4])
model, curves = train(futures, annotations, len(tokenizer), Recipe(**snakemake.params.section), device=device)
write_parquet(curves, snakemake.output.curves)
write_tensors(model.state_dict(), snakemake.output.weights)
