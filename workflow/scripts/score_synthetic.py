"""Data and weights -> Recall@1 after every epoch, and all candidates after the last."""

import job

from ucl.experiments.settings import GaussianTraining
from ucl.experiments.synthetic.scoring import evaluate_candidates, evaluate_epochs
from ucl.files import write_parquet
from ucl.tensors import read_tensors
from ucl.worlds.draws import queries_of, world_of

device = job.start(snakemake)
params = GaussianTraining.model_validate(snakemake.params.section)
data = read_tensors(snakemake.input.data, device)
weights = read_tensors(snakemake.input.weights, device)
queries, model = queries_of(params, data, snakemake.wildcards.protocol), snakemake.wildcards.model
world = world_of(data)
write_parquet(evaluate_epochs(params, model, weights, queries, world), snakemake.output.epochs)
write_parquet(evaluate_candidates(params, model, weights, queries, world), snakemake.output.candidates)
