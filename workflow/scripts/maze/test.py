"""Weights, exact occupancies -> scores of every policy on every instruction of one maze."""

from pathlib import Path

from ucl.experiments.maze.scoring import Test, read_data, score_policies
from ucl.files import write_parquet
from ucl.maze import layouts
from ucl.maze.models import MazeModel
from ucl.maze.training import sample_bank
from ucl.runtime import generator, start
from ucl.tensors import read_tensors

WORDS = 2000  # texts that the distilled policy learns from

start(snakemake)
maze, section = snakemake.wildcards.maze, dict(snakemake.params.section)
futures, annotations, tokenizer = read_data(maze, Path(snakemake.input[0]).parents[4])
bank = sample_bank(futures, section.pop("bank"), snakemake.params.discount)
model = MazeModel.from_tensors(read_tensors(snakemake.input.weights), snakemake.params.critic)
exact = read_tensors(snakemake.input.occupancy[0])
occupancy = exact["occupancy"] * exact["actions"][..., None] if snakemake.params.told_actions else exact["occupancy"]
said = annotations.sample(WORDS, generator(0, 52))[1]
scores = score_policies(Test(layouts.get(maze), **section), model, tokenizer, bank, occupancy, said)
write_parquet(scores.assign(maze=maze), snakemake.output[0])
