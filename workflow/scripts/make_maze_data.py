"""Parameters -> the two Minari data sets of one maze, under results/maze/data."""

import job
import numpy as np

from ucl.maze import layouts
from ucl.maze.data import annotated_states, oracle_trajectories
from ucl.maze.storage import save_annotations, save_trajectories

job.start(snakemake)
section, layout = snakemake.params.section, layouts.get(snakemake.wildcards.maze)
walks = oracle_trajectories(layout, section["trajectories"], np.random.default_rng([0, 1]), section["noise_degrees"])
save_trajectories(walks, layout, snakemake.params.root, noise_degrees=section["noise_degrees"])
states = annotated_states(layout, section["annotations"], np.random.default_rng([0, 2]))
save_annotations(states, layout, snakemake.params.root)
