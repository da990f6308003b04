"""Features -> recall of every method for the sound effects, and the sound model that never saw one."""

from pathlib import Path

from ucl.experiments.bridging.stamps import score_sounds
from ucl.experiments.bridging.stamps_training import recipe_of
from ucl.files import write_parquet
from ucl.runtime import start
from ucl.stamps.models import save_model
from ucl.stamps.world import read_world

start(snakemake)
params, seed = snakemake.params, int(snakemake.wildcards.seed)
world = read_world(snakemake.input.table, snakemake.input.features)
recall, models = score_sounds(world, params.section, params.draws, seed)
write_parquet(recall, snakemake.output.recall)
recipe = recipe_of("sound_text", params.section)
save_model("sound_text", models["sound_text"], recipe, Path(params.weights), Path(snakemake.output.model))
