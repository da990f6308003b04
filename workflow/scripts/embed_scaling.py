"""Parameters -> the embedding file of a joint model trained in its Gaussian world."""

import job

from ucl.config import Scaling
from ucl.files import write_tensors
from ucl.scaling import embed_world

device = job.start(snakemake)
params = Scaling.model_validate(snakemake.params.section)
write_tensors(embed_world(params, snakemake.wildcards.joint, device), snakemake.output[0])
