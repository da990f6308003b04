"""Parameters -> the embedding file of a joint model trained in its Gaussian world."""

from ucl.experiments.scaling.config import Models
from ucl.experiments.scaling.training import embed_world
from ucl.runtime import start
from ucl.tensors import write_tensors

device = start(snakemake)
params = Models.model_validate(snakemake.params.section)
write_tensors(embed_world(params, snakemake.wildcards.joint, device), snakemake.output[0])
