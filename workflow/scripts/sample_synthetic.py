"""Parameters -> results/<study>/data.safetensors."""

import job

from ucl.experiments.settings import GaussianData
from ucl.tensors import write_tensors
from ucl.worlds.draws import sample

job.start(snakemake)
write_tensors(sample(GaussianData.model_validate(snakemake.params.section)), snakemake.output[0])
