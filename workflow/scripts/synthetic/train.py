"""Data -> weights after every epoch, losses."""

from ucl.experiments.settings import GaussianTraining
from ucl.experiments.synthetic.training import train_model
from ucl.files import write_parquet
from ucl.runtime import start
from ucl.tensors import read_tensors, write_tensors

device = start(snakemake)
params = GaussianTraining.model_validate(snakemake.params.section)
data = read_tensors(snakemake.input.data)
weights, losses = train_model(params, snakemake.wildcards.model, data, device)
write_parquet(losses, snakemake.output.losses)
write_tensors(weights, snakemake.output.weights)
