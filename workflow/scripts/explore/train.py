"""Nothing -> agents of one maze that found their own way, what they lived through, and all agents' scores."""

import pandas as pd

from ucl.experiments.explore.training import (
    World,
    follow_oracle,
    latest_walks,
    learned_against_exact,
    references,
    teach_itself,
)
from ucl.files import write_parquet
from ucl.runtime import start
from ucl.tensors import write_tensors

start(snakemake)
world = World(snakemake.wildcards.explored, snakemake.params.section)
learner, experience, scores, visits = teach_itself(world)
scores = pd.concat([scores, follow_oracle(world), references(world)], ignore_index=True)
write_parquet(scores.assign(maze=world.maze), snakemake.output.scores)
write_parquet(learned_against_exact(world, learner.model).assign(maze=world.maze), snakemake.output.distances)
write_tensors(learner.model.state_dict(), snakemake.output.weights)
kept = {"positions": experience.positions, "angles": experience.angles}
write_tensors(kept, snakemake.output.experience)
write_parquet(visits, snakemake.output.visits)
write_parquet(latest_walks(experience), snakemake.output.walks)
