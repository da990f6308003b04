"""Stores -> recall of every task and method, recall by bank size, tests of uniformity."""

from pathlib import Path

import job

from ucl.experiments.bridging import scoring as bridging
from ucl.files import write_parquet

job.start(snakemake)
section, seed = snakemake.params.section, int(snakemake.wildcards.seed)
suite = bridging.read_suite(snakemake.input.table, Path(snakemake.input.stores[0]).parent)
sizes = section["candidates"]
write_parquet(bridging.evaluate(suite, sizes, section["draws"], seed), snakemake.output.recall)
banks = bridging.evaluate_bank_sizes(suite, section["bank_sizes"], sizes[0], section["bank_draws"], seed)
write_parquet(banks, snakemake.output.banks)
write_parquet(bridging.uniformity_of_banks(suite, seed), snakemake.output.uniformity)
