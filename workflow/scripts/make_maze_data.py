"""Parameters -> two Minari data sets of one maze: the oracle's walks, and states with words."""

import zlib
from pathlib import Path

import job
import numpy as np

from ucl.maze import layouts
from ucl.maze.data import annotated_states, oracle_trajectories
from ucl.maze.storage import save_annotations, save_trajectories

job.start(snakemake)
section, layout = snakemake.params.section, layouts.get(snakemake.wildcards.maze)
root = Path(snakemake.output.oracle).resolve().parents[2]
seed = zlib.crc32(layout.name.encode())
walks = oracle_trajectories(layout, section["trajectories"], np.random.default_rng([seed, 1]), section["noise_degrees"])
save_trajectories(walks, layout, root, seed=seed, noise_degrees=section["noise_degrees"])
states = annotated_states(layout, section["annotations"], np.random.default_rng([seed, 2]))
save_annotations(states, layout, root, seed=seed)
