"""Representations -> every test and quantity, per seed and modality."""

from ucl.experiments.marginals.config import Marginals
from ucl.experiments.marginals.scoring import inspect
from ucl.files import write_parquet
from ucl.runtime import start
from ucl.tensors import read_tensors

start(snakemake)
tensors = read_tensors(snakemake.input.representations)
params = Marginals.model_validate(snakemake.params.section)
write_parquet(inspect(params, snakemake.wildcards.critic, tensors), snakemake.output[0])
