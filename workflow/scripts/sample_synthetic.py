"""Parameters -> results/<study>/data.safetensors."""

import job

from ucl.config import GaussianData
from ucl.files import write_tensors
from ucl.synthetic import sample

job.start(snakemake)
write_tensors(sample(GaussianData.model_validate(snakemake.params.section)), snakemake.output[0])
