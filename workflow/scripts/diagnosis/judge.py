"""Embeddings -> predictions, verdicts and tests on known pairs, beside the recall on true pairs."""

from ucl.experiments.diagnosis.config import Judging
from ucl.experiments.diagnosis.scoring import judge
from ucl.files import write_parquet
from ucl.runtime import start
from ucl.tensors import read_tensors

start(snakemake)
tensors = read_tensors(snakemake.input[0])
judged = judge(Judging(**snakemake.params.section), snakemake.wildcards.case, tensors)
for name, table in judged._asdict().items():
    write_parquet(table, snakemake.output[name])
