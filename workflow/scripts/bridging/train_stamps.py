"""Features -> the three models of a split."""

from pathlib import Path

from ucl.experiments.bridging.stamps_training import recipe_of, train_spoken
from ucl.runtime import start
from ucl.stamps.models import save_model
from ucl.stamps.world import read_world

start(snakemake)
section, weights = snakemake.params.section, Path(snakemake.params.weights)
world = read_world(snakemake.input.table, snakemake.input.features)
models = train_spoken(world, section, int(snakemake.wildcards.seed))
for (name, model), path in zip(models.items(), snakemake.output.models, strict=True):
    save_model(name, model, recipe_of(name, section), weights, Path(path))
