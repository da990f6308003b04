"""Parameters -> embeddings of queries, a large bank and samples."""

from ucl.experiments.distillation.config import Distillation
from ucl.experiments.distillation.training import learn
from ucl.runtime import start
from ucl.tensors import write_tensors

start(snakemake)
scene = snakemake.wildcards.scene
write_tensors(learn(Distillation(**snakemake.params.section, scenes=[scene]), scene), snakemake.output[0])
