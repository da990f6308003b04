"""Representations -> every test and quantity, per seed and modality."""

import job

from ucl.config import Marginals
from ucl.files import read_tensors, write_parquet
from ucl.marginals import inspect

job.start(snakemake)
tensors = read_tensors(snakemake.input.representations)
params = Marginals.model_validate(snakemake.params.section)
write_parquet(inspect(params, snakemake.wildcards.critic, tensors), snakemake.output[0])
