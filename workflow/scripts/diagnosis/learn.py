"""Parameters -> embeddings of all that the diagnosis is given and judged by."""

from ucl.experiments.diagnosis.config import Models
from ucl.experiments.diagnosis.training import learn
from ucl.runtime import start
from ucl.tensors import write_tensors

start(snakemake)
write_tensors(learn(Models(**snakemake.params.section), snakemake.wildcards.case), snakemake.output[0])
