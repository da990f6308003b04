"""Parameters -> the two Minari data sets of one maze, under results/maze/data."""

from pathlib import Path

import numpy as np

from ucl.maze import layouts
from ucl.maze.datasets import save_annotations, save_trajectories
from ucl.maze.walks import annotated_states, oracle_trajectories
from ucl.runtime import start

start(snakemake)
root = Path(snakemake.output[0]).parents[4]  # above ucl/<maze>/<kind>/data/<file>
section, layout = snakemake.params.section, layouts.get(snakemake.wildcards.maze)
walks = oracle_trajectories(layout, section["trajectories"], np.random.default_rng([0, 1]), section["noise_degrees"])
save_trajectories(walks, layout, root, noise_degrees=section["noise_degrees"])
states = annotated_states(layout, section["annotations"], np.random.default_rng([0, 2]))
save_annotations(states, layout, root)
