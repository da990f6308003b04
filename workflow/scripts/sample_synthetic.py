"""Parameters -> results/<study>/data.safetensors."""

import job

from ucl.config import GaussianData
from ucl.synthetic import sample
from ucl.tensors import write_tensors

job.start(snakemake)
write_tensors(sample(GaussianData.model_validate(snakemake.params.section)), snakemake.output[0])
