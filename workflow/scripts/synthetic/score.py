"""Data and weights -> Recall@1 after every epoch, and all candidates after the last."""

from ucl.experiments.settings import GaussianTraining
from ucl.experiments.synthetic.data import read_world
from ucl.experiments.synthetic.scoring import evaluate_candidates, evaluate_epochs
from ucl.files import write_parquet
from ucl.runtime import start
from ucl.tensors import read_tensors
from ucl.worlds.draws import queries_of

device = start(snakemake)
params = GaussianTraining.model_validate(snakemake.params.section)
data = read_tensors(snakemake.input.data, device)
weights = read_tensors(snakemake.input.weights, device)
queries = queries_of(lambda draw, m: data[f"{draw}.{m}"], snakemake.wildcards.protocol, params.validation)
world, model = read_world(data), snakemake.wildcards.model
write_parquet(evaluate_epochs(params, model, weights, queries, world), snakemake.output.epochs)
write_parquet(evaluate_candidates(params, model, weights, queries, world), snakemake.output.candidates)
