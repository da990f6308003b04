"""A maze and its oracle -> p(cell of the future state | square, action), p(action | square)."""

import torch

from ucl.maze import layouts
from ucl.maze.geometry import DIRECTIONS
from ucl.maze.occupancy import exact_occupancy
from ucl.maze.state_grid import Squares
from ucl.runtime import start
from ucl.tensors import write_tensors

start(snakemake)
params = snakemake.params
squares = Squares(layouts.get(snakemake.wildcards.maze), params.resolution)
occupancy, actions = exact_occupancy(squares, DIRECTIONS, params.discount, params.noise)
write_tensors({"occupancy": torch.from_numpy(occupancy), "actions": torch.from_numpy(actions)}, snakemake.output[0])
