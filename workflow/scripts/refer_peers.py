"""Parameters -> Recall@1 of the references of a world."""

import job

from ucl.config import Contest
from ucl.files import write_parquet
from ucl.peers.contest import refer
from ucl.scenes import SCENES

job.start(snakemake)
world = snakemake.wildcards.world
scenes = [name for name, scene in SCENES.items() if scene.world == world]
write_parquet(refer(Contest(**snakemake.params.section, scenes=scenes), world), snakemake.output[0])
