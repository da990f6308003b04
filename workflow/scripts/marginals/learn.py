"""Parameters -> representations of held-out points; for the scatter plots one seed is enough."""

from ucl.experiments.marginals.config import Marginals
from ucl.experiments.marginals.training import learn
from ucl.runtime import start
from ucl.tensors import write_tensors

start(snakemake)
params, dimension = Marginals.model_validate(snakemake.params.section), int(snakemake.wildcards.dimension)
if dimension != params.dimension:
    params = params.model_copy(update={"seeds": 1})
write_tensors(learn(params, snakemake.wildcards.critic, dimension), snakemake.output[0])
