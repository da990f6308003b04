"""Agents that found their own way -> words, way-points; from nothing: a single goal, the identity Q = exp(f) rho."""

from pathlib import Path

import pandas as pd

from ucl.experiments.explore.probing import follow_words, identities, interpolate, seek
from ucl.experiments.explore.training import World
from ucl.files import write_parquet
from ucl.maze.example import MAZE
from ucl.maze.exploration.replay import ReplayBuffer
from ucl.maze.models import MazeModel
from ucl.runtime import start
from ucl.tensors import read_tensors

start(snakemake)
section, output = snakemake.params.section, snakemake.output
weights = {Path(file).parent.name: read_tensors(file) for file in snakemake.input.weights}
lived = {Path(file).parent.name: read_tensors(file) for file in snakemake.input.experience}
buffers = {maze: ReplayBuffer(own["positions"], own["angles"]) for maze, own in lived.items()}
write_parquet(seek(section), output.seeking)
write_parquet(identities(section), output.identity)
found = []
for maze in section["planning"]["mazes"]:
    world, model = World(maze, section), MazeModel.from_tensors(weights[maze], section["critic"])
    tables = interpolate(world, model, buffers[maze], section["planning"]["bank"])
    found.append([table.assign(maze=maze) for table in tables])
planned, ways = (pd.concat(parts, ignore_index=True) for parts in zip(*found, strict=True))
write_parquet(planned, output.planned)
write_parquet(ways, output.ways)
told, paths = follow_words(section, weights[MAZE], buffers[MAZE])
write_parquet(told, output.told)
write_parquet(paths, output.paths)
