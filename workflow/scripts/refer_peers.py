"""Parameters -> Recall@1 of the references of a world."""

import job

from ucl.experiments.peers.config import Contest
from ucl.experiments.peers.scenes import SCENES
from ucl.experiments.peers.training import refer
from ucl.files import write_parquet

job.start(snakemake)
world = snakemake.wildcards.world
scenes = [name for name, scene in SCENES.items() if scene.world == world]
write_parquet(refer(Contest(**snakemake.params.section, scenes=scenes), world), snakemake.output[0])
