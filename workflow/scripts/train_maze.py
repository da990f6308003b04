"""Data sets of one maze -> weights of all seeds, learning curves."""

import job

from ucl.config import MazeTraining
from ucl.files import write_parquet
from ucl.maze.study import read_data
from ucl.maze.training import train
from ucl.tensors import write_tensors

device = job.start(snakemake)
futures, annotations, tokenizer = read_data(snakemake.wildcards.maze, "results/maze/data")
settings = MazeTraining.model_validate(snakemake.params.section)
model, curves = train(futures, annotations, len(tokenizer), settings, device=device)
write_parquet(curves, snakemake.output.curves)
write_tensors(model.state_dict(), snakemake.output.weights)
