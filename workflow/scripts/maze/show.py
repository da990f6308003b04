"""Weights of the fork -> walks, critic maps, representations, and scores with banks of several sizes."""

from pathlib import Path

from ucl.experiments.maze import showcase
from ucl.experiments.maze.scoring import Test, read_data, score_banks
from ucl.files import write_parquet
from ucl.maze import example, layouts
from ucl.maze.models import MazeModel
from ucl.maze.told import walks
from ucl.maze.training import sample_bank
from ucl.runtime import start
from ucl.tensors import read_tensors

start(snakemake)
params, section = snakemake.params, dict(snakemake.params.section)
layout = layouts.get(example.MAZE)
futures, _, tokenizer = read_data(example.MAZE, Path(snakemake.input[0]).parents[4])
model = MazeModel.from_tensors(read_tensors(snakemake.input.weights[0]), params.critic)
bank = sample_bank(futures, section.pop("bank"), params.discount)
sees = (layout, model, tokenizer)
paths = walks(*sees, bank, section["resolution"], section["limit"])
write_parquet(paths, snakemake.output.paths)
write_parquet(showcase.critic_maps(*sees, section["resolution"]), snakemake.output.maps)
write_parquet(showcase.embeddings(*sees, showcase.TEXTS, section["resolution"]), snakemake.output.placed)
states = sample_bank(futures, max(params.banks), params.discount)
write_parquet(score_banks(Test(layout, **section), model, tokenizer, states, params.banks), snakemake.output.banks)
