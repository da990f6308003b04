"""Parameters -> the embedding file of a joint model trained in its Gaussian world."""

import job

from ucl.experiments.scaling.config import Scaling
from ucl.experiments.scaling.training import embed_world
from ucl.tensors import write_tensors

device = job.start(snakemake)
params = Scaling.model_validate(snakemake.params.section)
write_tensors(embed_world(params, snakemake.wildcards.joint, device), snakemake.output[0])
