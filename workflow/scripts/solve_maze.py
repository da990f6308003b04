"""A maze and its oracle -> p(cell of the future state | square, action)."""

import job
import torch

from ucl.files import write_tensors
from ucl.maze import layouts
from ucl.maze.geometry import DIRECTIONS
from ucl.maze.occupancy import exact_occupancy
from ucl.maze.squares import Squares

job.start(snakemake)
params = snakemake.params
squares = Squares(layouts.get(snakemake.wildcards.maze), params.resolution)
occupancy = exact_occupancy(squares, DIRECTIONS, params.discount, params.noise)
write_tensors({"occupancy": torch.from_numpy(occupancy)}, snakemake.output[0])
