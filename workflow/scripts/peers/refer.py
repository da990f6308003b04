"""Parameters -> Recall@1 of the references of a world."""

from ucl.experiments.peers.config import Peers
from ucl.experiments.peers.training import refer
from ucl.experiments.scenes import SCENES
from ucl.files import write_parquet
from ucl.runtime import start

start(snakemake)
world = snakemake.wildcards.world
scenes = [name for name, scene in SCENES.items() if scene.world == world]
write_parquet(refer(Peers(**snakemake.params.section, scenes=scenes), world), snakemake.output[0])
