"""Nothing -> scores of agents that found their own way in one environment of others."""

from ucl.experiments.explore.pointmaze import explore_environment
from ucl.files import write_parquet
from ucl.maze.pointmaze.environments import make
from ucl.runtime import start

start(snakemake)
name, params = snakemake.wildcards.environment, snakemake.params
scores = explore_environment(make(name), params.section, params.pointmaze)
write_parquet(scores.assign(environment=name), snakemake.output[0])
