"""Parameters -> results/<study>/data.safetensors."""

from ucl.experiments.settings import GaussianData
from ucl.experiments.synthetic.data import sample
from ucl.runtime import start
from ucl.tensors import write_tensors

start(snakemake)
write_tensors(sample(GaussianData.model_validate(snakemake.params.section)), snakemake.output[0])
