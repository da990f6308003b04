"""Features and the models of a split -> recall of every method for the spoken protocols."""

from pathlib import Path

from ucl.experiments.bridging.stamps import score_spoken
from ucl.experiments.bridging.stamps_training import SPOKEN
from ucl.files import write_parquet
from ucl.runtime import start
from ucl.stamps.models import load_model
from ucl.stamps.world import read_world

start(snakemake)
params, seed = snakemake.params, int(snakemake.wildcards.seed)
world = read_world(snakemake.input.table, snakemake.input.features)
models = {name: load_model(name, Path(snakemake.input.models[0]).parent)[0] for name in SPOKEN}
write_parquet(score_spoken(world, models, params.section, params.draws, seed), snakemake.output[0])
